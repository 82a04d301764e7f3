// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails_test

import (
	"fmt"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// deed is what is done to an APIKey: before it is as was, after it as is. A nil was is a creation.
type deed struct {
	name    string
	was, is func(*v1alpha1.APIKey)
	// widens says that what the APIKey already had counts for more.
	widens bool
}

func has(permissions, roles []string, owner string, more ...func(*v1alpha1.APIKey)) func(*v1alpha1.APIKey) {
	return func(apikey *v1alpha1.APIKey) {
		for _, p := range permissions {
			apikey.Spec.Permissions = append(apikey.Spec.Permissions, v1alpha1.Permission(p))
		}
		for _, r := range roles {
			apikey.Spec.Roles = append(apikey.Spec.Roles, v1alpha1.RoleName(r))
		}
		apikey.Spec.Owner = owner
		for _, m := range more {
			m(apikey)
		}
	}
}

// contents are what an APIKey can have that somebody has to grant.
func contents() []func(...func(*v1alpha1.APIKey)) func(*v1alpha1.APIKey) {
	var all []func(...func(*v1alpha1.APIKey)) func(*v1alpha1.APIKey)
	for _, c := range []struct {
		permissions, roles []string
		owner              string
	}{
		{}, {permissions: []string{"a"}}, {permissions: []string{"b", "a"}, roles: []string{"a"}, owner: "a"},
		{roles: []string{"a"}}, {owner: "a"}, {permissions: []string{"b", "a"}}, {permissions: []string{"a"}, owner: "a"},
	} {
		all = append(all, func(more ...func(*v1alpha1.APIKey)) func(*v1alpha1.APIKey) {
			return has(c.permissions, c.roles, c.owner, more...)
		})
	}

	return all
}

// largest is the content of an APIKey that has as much as it can have.
func largest() func(*v1alpha1.APIKey) {
	var permissions, roles []string
	for i := range 16 {
		permissions = append(permissions, fmt.Sprintf("p%d", i))
	}
	for i := range 8 {
		roles = append(roles, fmt.Sprintf("r%d", i))
	}

	return has(permissions, roles, "a")
}

func deeds() []deed {
	all := []deed{{name: "create with everything", is: largest()}}
	for _, environment := range []v1alpha1.Environment{v1alpha1.EnvironmentStaging, v1alpha1.EnvironmentDevelopment} {
		in := func(apikey *v1alpha1.APIKey) { apikey.Spec.Environment = environment }
		suspended := func(apikey *v1alpha1.APIKey) { apikey.Spec.Suspend = true }
		all = append(all, deed{name: "create", is: in}, deed{name: "create with a permission", is: has([]string{"a"}, nil, "", in)},
			deed{name: "rename", was: in, is: has(nil, nil, "", in, func(apikey *v1alpha1.APIKey) { apikey.Spec.DisplayName = "a" })},
			deed{name: "resume", was: has(nil, nil, "", in, suspended), is: in, widens: true})
	}
	for n, content := range contents() {
		all = append(all, deed{name: "create", is: content()})
		if n > 2 { // the last ones are parts of the one before
			continue
		}
		for _, edit := range edits() {
			all = append(all, deed{name: edit.name, was: content(edit.was), is: content(edit.is), widens: edit.widens})
		}
	}
	both := func(a, b func(*v1alpha1.APIKey)) deed { return deed{was: a, is: b} }
	for name, c := range map[string]deed{
		"add a permission":               both(has([]string{"a"}, nil, ""), has([]string{"a", "b"}, nil, "")),
		"add a permission before others": both(has([]string{"a"}, nil, ""), has([]string{"b", "a"}, nil, "")),
		"add a role":                     both(has([]string{"a"}, nil, "a"), has([]string{"a"}, []string{"a"}, "a")),
		"swap a permission":              both(has([]string{"a"}, nil, ""), has([]string{"b"}, nil, "")),
		"put permissions in order":       both(has([]string{"b", "a"}, nil, ""), has([]string{"a", "b"}, nil, "")),
		"remove a permission":            both(has([]string{"b", "a"}, []string{"a"}, ""), has([]string{"a"}, []string{"a"}, "")),
		"remove everything":              both(has([]string{"b", "a"}, []string{"a"}, ""), has(nil, nil, "")),
		"move a name to another list":    both(has([]string{"b"}, nil, ""), has(nil, []string{"b"}, "")),
		"remove one and rotate":          {was: has([]string{"a", "b"}, nil, ""), is: has([]string{"b"}, nil, "", annotated("2")), widens: true},
	} {
		c.name = name
		all = append(all, c)
	}

	return all
}

func annotated(value string) func(*v1alpha1.APIKey) {
	return func(apikey *v1alpha1.APIKey) {
		apikey.Annotations = map[string]string{v1alpha1.RotateAnnotation: value}
	}
}

func expiring(at string) func(*v1alpha1.APIKey) {
	return func(apikey *v1alpha1.APIKey) {
		parsed, err := time.Parse(time.RFC3339, at)
		Expect(err).NotTo(HaveOccurred())
		apikey.Spec.ExpiresAt = &metav1.Time{Time: parsed}
	}
}

func valid(d v1alpha1.Duration) func(*v1alpha1.APIKey) {
	return func(apikey *v1alpha1.APIKey) { apikey.Spec.ValidFor = d }
}

func rotating(every v1alpha1.Duration) func(*v1alpha1.APIKey) {
	return func(apikey *v1alpha1.APIKey) { apikey.Spec.Rotation = &v1alpha1.Rotation{Every: every} }
}

// claimable is an APIKey that delivers once.
func claimable(d v1alpha1.Duration) func(*v1alpha1.APIKey) {
	return func(apikey *v1alpha1.APIKey) {
		apikey.Spec.Secret = &v1alpha1.SecretTemplate{Delivery: v1alpha1.DeliveryOnce, ClaimBefore: d}
	}
}

// claimed is one with a claim annotation.
func claimed(d v1alpha1.Duration, id string) func(*v1alpha1.APIKey) {
	return func(apikey *v1alpha1.APIKey) {
		claimable(d)(apikey)
		apikey.Annotations = map[string]string{v1alpha1.ClaimAnnotation: id}
	}
}

func overlapping(d v1alpha1.Duration) func(*v1alpha1.APIKey) {
	return func(apikey *v1alpha1.APIKey) { apikey.Spec.Rotation = &v1alpha1.Rotation{Overlap: d} }
}

type (
	labels      = map[string]v1alpha1.LabelValue
	annotations = map[string]v1alpha1.AnnotationValue
)

func labelled(l labels, a annotations) func(*v1alpha1.APIKey) {
	return func(apikey *v1alpha1.APIKey) {
		apikey.Spec.Secret = &v1alpha1.SecretTemplate{Labels: l, Annotations: a}
	}
}

func opening(customers ...v1alpha1.Customer) func(*v1alpha1.APIKey) {
	return func(apikey *v1alpha1.APIKey) { apikey.Spec.Customers = customers }
}

// edits are changes that leave alone what has to be granted.
func edits() []deed {
	as := func(*v1alpha1.APIKey) {}
	suspended := func(apikey *v1alpha1.APIKey) { apikey.Spec.Suspend = true }

	return append(rotationEdits(as), []deed{
		{name: "rename", was: as, is: func(apikey *v1alpha1.APIKey) { apikey.Spec.DisplayName = "Main Website" }},
		{name: "label", was: as, is: func(apikey *v1alpha1.APIKey) { apikey.Labels = map[string]string{"a": "b"} }},
		{name: "limit", was: as, is: func(apikey *v1alpha1.APIKey) { apikey.Spec.RateLimit = &v1alpha1.RateLimit{Requests: 1, Per: "1s"} }},
		{name: "revoke", was: as, is: func(apikey *v1alpha1.APIKey) { apikey.Spec.Revoked = true }},

		{name: "expire after all", was: as, is: expiring("2900-01-01T00:00:00Z")},
		{name: "expire earlier", was: expiring("2900-01-01T00:00:00Z"), is: expiring("2899-01-01T00:00:00Z")},
		{name: "expire at the same time elsewhere", was: expiring("2900-01-01T00:00:00Z"), is: expiring("2900-01-01T01:00:00+01:00")},
		{name: "expire later", was: expiring("2900-01-01T00:00:00Z"), is: expiring("2900-01-01T00:00:01Z"), widens: true},
		{name: "expire never", was: expiring("2900-01-01T00:00:00Z"), is: as, widens: true},
		{name: "live shorter", was: valid("2h"), is: valid("119m")},
		{name: "live as long in other words", was: valid("2h"), is: valid("120m")},
		{name: "live longer", was: valid("2h"), is: valid("2h1s"), widens: true},
		{name: "live for ever", was: valid("2h"), is: as, widens: true},
		{name: "live for a length and not to a time", was: expiring("2900-01-01T00:00:00Z"), is: valid("1h")},
		{name: "live to a time and not for a length", was: valid("1h"), is: expiring("2900-01-01T00:00:00Z"), widens: true},

		{name: "rotate", was: as, is: annotated("1"), widens: true},
		{name: "rotate again", was: annotated("1"), is: annotated("2"), widens: true},
		{name: "ask for no rotation any more", was: annotated("1"), is: as},
		{name: "empty the annotation", was: annotated("1"), is: annotated("")},

		{name: "rotate by the clock", was: as, is: rotating("1h"), widens: true},
		{name: "rotate more often", was: rotating("1h"), is: rotating("59m"), widens: true},
		{name: "rotate less often", was: rotating("1h"), is: rotating("61m")},
		{name: "rotate by the clock no more", was: rotating("1h"), is: as},

		{name: "suspend", was: as, is: suspended},
		{name: "resume", was: suspended, is: as, widens: true},

		{name: "keep customers in another order", was: opening("x", "y"), is: opening("y", "x")},
		{name: "open fewer customers", was: opening("x", "y"), is: opening("y")},
		{name: "open some customers only", was: as, is: opening("y")},
		{name: "open another customer", was: opening("x"), is: opening("x", "y"), widens: true},
		{name: "open other customers", was: opening("x"), is: opening("y"), widens: true},
		{name: "open all customers", was: opening("x"), is: as, widens: true},
	}...)
}

// rotationEdits are those about rotations, overlaps and the Secret that holds the key.
func rotationEdits(as func(*v1alpha1.APIKey)) []deed {
	return []deed{
		{name: "rotate with an overlap", was: as, is: annotated("1,overlap=1h"), widens: true},
		{name: "rotate with a longer overlap", was: annotated("1,overlap=1h"), is: annotated("1,overlap=2h"), widens: true},
		{name: "rotate with a shorter overlap", was: annotated("1,overlap=1h"), is: annotated("1,overlap=0s"), widens: true},
		{name: "overlap after all", was: as, is: overlapping("1s"), widens: true},
		{name: "overlap by nothing", was: as, is: overlapping("0s")},
		{name: "overlap longer", was: overlapping("1h"), is: overlapping("61m"), widens: true},
		{name: "overlap as long in other words", was: overlapping("1h"), is: overlapping("60m")},
		{name: "overlap shorter", was: overlapping("1h"), is: overlapping("59m")},
		{name: "claim", was: claimable(""), is: claimed("", "AbCdEfGhIjKl")},
		{name: "claim for longer", was: claimable("10m"), is: claimable("11m"), widens: true},
		{name: "claim for longer than the default", was: claimable(""), is: claimable("61m"), widens: true},
		{name: "claim for the default again", was: claimable("10m"), is: claimable(""), widens: true},
		{name: "claim as long in other words", was: claimable("1h"), is: claimable("60m")},
		{name: "claim for as long as the default", was: claimable("1h"), is: claimable("")},
		{name: "claim for less", was: claimable("2h"), is: claimable("1h")},
		{name: "claim for less than the default", was: claimable(""), is: claimable("59m")},
		{name: "overlap no more", was: overlapping("1h"), is: as},

		{name: "label the Secret", was: as, is: labelled(labels{"a": "b"}, nil), widens: true},
		{name: "label the Secret in another way", was: labelled(labels{"a": "b"}, nil), is: labelled(labels{"a": "c"}, nil), widens: true},
		{name: "label the Secret once more", was: labelled(labels{"a": "b"}, nil), is: labelled(labels{"a": "b", "c": ""}, nil), widens: true},
		{name: "label the Secret no more", was: labelled(labels{"a": "b"}, nil), is: as, widens: true},
		{name: "annotate the Secret", was: as, is: labelled(nil, annotations{"a": ""}), widens: true},
		{name: "annotate the Secret in another way", was: labelled(nil, annotations{"a": "b"}), is: labelled(nil, annotations{"a": "c"}), widens: true},
		{name: "annotate the Secret no more", was: labelled(nil, annotations{"a": "b"}), is: as, widens: true},
	}
}
