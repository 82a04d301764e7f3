// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/simulation/apimodel"
)

// names are those of all APIKeys. The steps prefer the first.
var names = [...]string{"main", "other"} //nolint:gochecknoglobals // a constant

// users are the people and pipelines that change APIKeys and Secrets.
type users struct {
	// values counts the values of the rotate annotation.
	values int
	edits  int
}

// action is something that a user does to the APIKey or the Secret of a name.
type action struct {
	weight int
	name   string
	act    func(u *users, w *world, name string)
}

// actions returns what users do. The first is harmless.
func actions() []action {
	return []action{
		{4, "edits the display name", (*users).rename},
		{4, "rotates", func(u *users, w *world, name string) { u.rotate(w, name, "") }},
		{5, "rotates without an overlap", func(u *users, w *world, name string) { u.rotate(w, name, ",overlap=0s") }},
		{5, "rotates with an overlap", func(u *users, w *world, name string) { u.rotate(w, name, ",overlap=10m") }},
		{3, "sets an earlier value of the rotate annotation", (*users).rotateAgain},
		{3, "suspends or resumes", (*users).suspend},
		{2, "revokes", (*users).revoke},
		{2, "sets an expiry", (*users).expire},
		{4, "deletes the APIKey", (*users).deleteAPIKey},
		{6, "creates an APIKey", func(u *users, w *world, name string) { u.createNamed(w, name) }},
		{6, "deletes the Secret", (*users).deleteSecret},
		{3, "edits the Secret", (*users).editSecret},
		{3, "restores an earlier Secret", (*users).restoreSecret},
		{3, "restores an earlier status", (*users).restoreStatus},
		{2, "restores Secret and status", (*users).restoreBoth},
		{3, "creates a foreign Secret", (*users).foreignSecret},
		{2, "takes the Secret from its APIKey", (*users).disown},
		{2, "sets or removes a finalizer of the Secret", (*users).finalizeSecret},
		{2, "sets or removes a finalizer of the APIKey", (*users).finalizeAPIKey},
		{2, "forges a record", (*users).forge},
		{3, "edits the labels of the Secret in spec", (*users).label},
		{8, "claims", (*users).claim},
	}
}

// act lets a user do something.
func (u *users) act(w *world) {
	all := actions()
	weights := make([]int, len(all))
	for i := range all {
		weights[i] = all[i].weight
	}
	chosen := all[w.weighted(weights...)]
	name := names[w.weighted(4, 1)]
	w.tracef("a user %s: %s", chosen.name, name)
	chosen.act(u, w, name)
}

// create creates the first APIKey.
func (u *users) create(w *world) { u.createNamed(w, names[0]) }

// createNamed creates an APIKey.
func (u *users) createNamed(w *world, name string) {
	apikey := &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: apimodel.Namespace, Name: name},
		Spec:       v1alpha1.APIKeySpec{Environment: environment},
	}
	switch w.weighted(5, 2, 1, 1) {
	case 1:
		apikey.Spec.Rotation = &v1alpha1.Rotation{Overlap: "10m"}
	case 2:
		apikey.Spec.Rotation = &v1alpha1.Rotation{Every: "1h", Overlap: "10m"}
	case 3:
		apikey.Spec.Rotation = &v1alpha1.Rotation{Every: "10m"}
	}
	switch w.weighted(8, 1, 1, 1, 4) {
	case 1:
		apikey.Spec.ValidFor = "1h"
	case 2:
		apikey.Annotations = map[string]string{v1alpha1.RotateAnnotation: u.value("")}
	case 3:
		apikey.Spec.Secret = &v1alpha1.SecretTemplate{Name: names[0], Labels: map[string]v1alpha1.LabelValue{"team": "a"}}
	case 4:
		period := [...]v1alpha1.Duration{"", "10m", "1m"}[w.pick(3)]
		apikey.Spec.Secret = &v1alpha1.SecretTemplate{Delivery: v1alpha1.DeliveryOnce, ClaimBefore: period}
	}
	_, _ = w.server.APIKeys.Create(apikey) // it may exist
}

// value returns another value of the rotate annotation.
func (u *users) value(suffix string) string {
	u.values++

	return "r" + strconv.Itoa(u.values) + suffix
}

func (u *users) rename(w *world, name string) {
	u.edits++
	_ = w.server.ChangeAPIKey(name, func(k *v1alpha1.APIKey) { k.Spec.DisplayName = "Name " + strconv.Itoa(u.edits) })
}

func (u *users) rotate(w *world, name, suffix string) {
	value := u.value(suffix)
	_ = w.server.ChangeAPIKey(name, func(k *v1alpha1.APIKey) {
		metav1.SetMetaDataAnnotation(&k.ObjectMeta, v1alpha1.RotateAnnotation, value)
	})
}

// rotateAgain sets a value of the rotate annotation that the APIKey, or one before it of the same name, has had.
func (u *users) rotateAgain(w *world, name string) {
	var values []string
	for _, c := range w.server.APIKeys.Log() {
		if !c.Removed && c.After.Name == name && c.After.Annotations[v1alpha1.RotateAnnotation] != "" {
			values = append(values, c.After.Annotations[v1alpha1.RotateAnnotation])
		}
	}
	if values = slices.Compact(values); len(values) > 0 {
		value := values[w.pick(len(values))]
		_ = w.server.ChangeAPIKey(name, func(k *v1alpha1.APIKey) {
			metav1.SetMetaDataAnnotation(&k.ObjectMeta, v1alpha1.RotateAnnotation, value)
		})
	}
}

func (u *users) suspend(w *world, name string) {
	_ = w.server.ChangeAPIKey(name, func(k *v1alpha1.APIKey) { k.Spec.Suspend = !k.Spec.Suspend })
}

// final reports whether admission refuses changes of expiry and revocation.
func final(k *v1alpha1.APIKey) bool {
	return k.Status.Phase.IsFinal()
}

func (u *users) revoke(w *world, name string) {
	_ = w.server.ChangeAPIKey(name, func(k *v1alpha1.APIKey) { k.Spec.Revoked = k.Spec.Revoked || !final(k) })
}

func (u *users) expire(w *world, name string) {
	u.setExpiry(w, name, [...]v1alpha1.Duration{"", "1h", "3h", "1m"}[w.pick(4)])
}

// setExpiry moves the end of a key. A key that has ended before stays ended.
func (u *users) setExpiry(w *world, name string, end v1alpha1.Duration) {
	w.oracle.check()
	_ = w.server.ChangeAPIKey(name, func(k *v1alpha1.APIKey) {
		if !final(k) {
			k.Spec.ValidFor = end
		}
	})
}

// claim claims the active key. Some users name another key of the status, or none.
func (u *users) claim(w *world, name string) {
	apikey, err := w.server.APIKeys.Get(name)
	if err != nil || len(apikey.Status.Keys) == 0 {
		return
	}
	records := apikey.Status.Keys
	value := "true"
	switch w.weighted(8, 2, 1) {
	case 0:
		if r := recordOf(records, active(records)); r != nil {
			value = r.ID
		}
	case 1:
		value = records[w.pick(len(records))].ID
	}
	w.oracle.check()
	_ = w.server.ChangeAPIKey(name, func(k *v1alpha1.APIKey) {
		metav1.SetMetaDataAnnotation(&k.ObjectMeta, v1alpha1.ClaimAnnotation, value)
	})
}

func (u *users) deleteAPIKey(w *world, name string) {
	if w.pick(4) == 3 {
		_ = w.server.APIKeys.DeleteWith(name, metav1.FinalizerOrphanDependents)

		return
	}
	_ = w.server.APIKeys.Delete(name, apimodel.Preconditions{})
	if w.pick(3) == 2 {
		u.createNamed(w, name)
	}
}

func (u *users) label(w *world, name string) {
	u.edits++
	_ = w.server.ChangeAPIKey(name, func(k *v1alpha1.APIKey) {
		if k.Spec.Secret == nil {
			k.Spec.Secret = &v1alpha1.SecretTemplate{}
		}
		k.Spec.Secret.Labels = map[string]v1alpha1.LabelValue{"team": v1alpha1.LabelValue("t" + strconv.Itoa(u.edits%3))}
	})
}

// toggled returns finalizers with or without the one of users.
func toggled(finalizers []string) []string {
	const ours = "example.com/keep"
	if kept := slices.DeleteFunc(slices.Clone(finalizers), func(f string) bool { return f == ours }); len(kept) < len(finalizers) {
		return kept
	}

	return append(slices.Clone(finalizers), ours)
}

func (u *users) finalizeAPIKey(w *world, name string) {
	_ = w.server.ChangeAPIKey(name, func(k *v1alpha1.APIKey) {
		if k.DeletionTimestamp == nil || len(k.Finalizers) > 0 && len(toggled(k.Finalizers)) < len(k.Finalizers) {
			k.Finalizers = toggled(k.Finalizers) // no finalizer may be added to an object that is being deleted
		}
	})
}

func (u *users) finalizeSecret(w *world, name string) {
	_ = w.server.ChangeSecret(name, func(s *corev1.Secret) {
		if s.DeletionTimestamp == nil || len(toggled(s.Finalizers)) < len(s.Finalizers) {
			s.Finalizers = toggled(s.Finalizers)
		}
	})
}
