// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// refusal is one request that the API server must refuse, for one reason only.
// Texts are YAML; a spec is in Production where it does not say otherwise.
type refusal struct {
	// name describes the case.
	name string
	// before is the spec of the object that is changed. Not set: the refused request creates the object.
	before string
	// phase is status.phase before the change.
	phase v1alpha1.Phase
	// spec is refused...
	spec string
	// ...or else status is.
	status string
	// field and message are what the person who sent the request reads.
	field, message string
	// also is a second message, where two rules cannot be broken one by one: on the field, or on alsoField.
	also, alsoField string
}

// refusals are all cases about APIKeys. Each file of cases adds its own.
func refusals() []refusal {
	return slices.Concat(
		nameRefusals(), permissionRefusals(), durationRefusals(), timeRefusals(), limitRefusals(),
		secretRefusals(), keyShapeRefusals(), changeRefusals(), finalRefusals(), statusRefusals())
}

// kind is one whose schema the cases of this package are about.
type kind struct {
	// plural is its name in URLs.
	plural string
	// resource is where requests for it go.
	resource func(schema.GroupVersion) resource
	// refusals are the cases.
	refusals []refusal
}

// kinds are all of them. An APIKeyRole has no more than an APIKey has: see role_test.go.
func kinds() []kind {
	return []kind{{"apikeys", apiKeys, refusals()}, {"apikeypolicies", apiKeyPolicies, policyRefusals()}}
}

var _ = Describe("A request that breaks a rule", func() {
	for _, k := range kinds() {
		for _, r := range k.refusals {
			It(fmt.Sprintf("is refused by %s, naming %s: %s", k.plural, r.field, r.name), func(ctx SpecContext) {
				err := r.send(ctx, k.resource(v1alpha1.GroupVersion))
				Expect(causes(err)).To(ConsistOf(r.causes()))
			})
		}
	}
})

// causes are the entries that the answer must have, and no others.
func (r refusal) causes() []cause {
	list := []cause{{field: r.field, message: r.message}}
	if r.also != "" {
		list = append(list, cause{field: cmp.Or(r.alsoField, r.field), message: r.also})
	}

	return list
}

// send sends the request that must be refused, and before it those that it builds on.
func (r refusal) send(ctx context.Context, to resource) error {
	if r.before == "" && r.status == "" {
		return to.tryCreate(ctx, r.spec)
	}
	object := to.create(ctx, r.before)
	if r.phase != "" {
		object = to.writeStatus(ctx, object, "phase: "+string(r.phase))
	}
	if r.status != "" {
		return to.tryStatus(ctx, object, r.status)
	}

	return to.tryUpdate(ctx, object, r.spec)
}

// cause is one entry of the list that the API server answers a refused request with.
type cause struct{ field, message string }

// causes are the entries of a refusal, without the values that the API server repeats before a message.
func causes(err error) []cause {
	GinkgoHelper()
	var status apierrors.APIStatus
	Expect(errors.As(err, &status)).To(BeTrue(), "not refused by the API server: %v", err)
	Expect(status.Status().Details).NotTo(BeNil(), "no details: %v", err)

	var list []cause
	for _, c := range status.Status().Details.Causes {
		if c.Field == "<nil>" { // "some validation rules were not checked because the object was invalid"
			continue
		}
		message := valueBefore.ReplaceAllString(c.Message, "")
		if strings.HasPrefix(c.Field, "status.") {
			message = parserBefore.ReplaceAllString(message, "")
		}
		list = append(list, cause{field: c.Field, message: message})
	}

	return list
}

// parserBefore is what the API server puts before the message of a rule that failed on a time that CEL cannot read.
// Only status has times that come to rules unchecked: a person never sets them.
var parserBefore = regexp.MustCompile(`^Invalid date-time formatted string .* evaluating rule: `)

// valueBefore is what the API server puts before a message.
var valueBefore = regexp.MustCompile(`^(Invalid value: (("([^"\\]|\\.)*"|-?[0-9.e+]+): )?|Forbidden: )`)

// resource is where requests go: the kind of this project, or one of the kinds that the tests make from it.
type resource struct {
	dynamic.ResourceInterface
	kind schema.GroupVersionKind
	// parse reads the spec of a case.
	parse func(spec string) map[string]any
}

// apiKeys are the APIKeys of a group and version, in the namespace of the spec.
func apiKeys(version schema.GroupVersion) resource {
	return resource{
		ResourceInterface: untyped.Resource(version.WithResource("apikeys")).Namespace(namespace),
		kind:              version.WithKind("APIKey"),
		parse:             parse,
	}
}

// object returns an object that was not sent to the API server.
func (r resource) object(spec string) *unstructured.Unstructured {
	GinkgoHelper()
	object := &unstructured.Unstructured{Object: map[string]any{"spec": r.parse(spec)}}
	object.SetGroupVersionKind(r.kind)
	object.SetGenerateName("case-")

	return object
}

// create stores an object for a request to build on.
func (r resource) create(ctx context.Context, spec string) *unstructured.Unstructured {
	GinkgoHelper()
	object, err := r.Create(ctx, r.object(spec), metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
	Expect(err).NotTo(HaveOccurred())

	return object
}

// writeStatus stores a status for a request to build on.
func (r resource) writeStatus(ctx context.Context, object *unstructured.Unstructured, status string) *unstructured.Unstructured {
	GinkgoHelper()
	object.Object["status"] = parseYAML(status)
	object, err := r.UpdateStatus(ctx, object, metav1.UpdateOptions{FieldValidation: metav1.FieldValidationStrict})
	Expect(err).NotTo(HaveOccurred())

	return object
}

// The tries store nothing.
var (
	dryCreate = metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}
	dryUpdate = metav1.UpdateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}
)

func (r resource) tryCreate(ctx context.Context, spec string) error {
	_, err := r.Create(ctx, r.object(spec), dryCreate)

	return err
}

func (r resource) tryUpdate(ctx context.Context, object *unstructured.Unstructured, spec string) error {
	changed := object.DeepCopy()
	changed.Object["spec"] = r.parse(spec)
	_, err := r.Update(ctx, changed, dryUpdate)

	return err
}

func (r resource) tryStatus(ctx context.Context, object *unstructured.Unstructured, status string) error {
	changed := object.DeepCopy()
	changed.Object["status"] = parseYAML(status)
	_, err := r.UpdateStatus(ctx, changed, dryUpdate)

	return err
}

// parse is a spec, in Production where it does not say otherwise. "environment: null" leaves the environment out.
func parse(spec string) map[string]any {
	GinkgoHelper()
	fields := parseYAML(spec)
	if environment, found := fields["environment"]; !found {
		fields["environment"] = string(v1alpha1.EnvironmentProduction)
	} else if environment == nil {
		delete(fields, "environment")
	}

	return fields
}

func parseYAML(text string) map[string]any {
	GinkgoHelper()
	fields := map[string]any{}
	Expect(yaml.Unmarshal([]byte(text), &fields)).To(Succeed(), "in a case: %s", text)

	return fields
}

// listOf is a YAML list of n different words.
func listOf(n int) string {
	words := make([]string, n)
	for i := range words {
		words[i] = fmt.Sprintf("w%d", i)
	}

	return "[" + strings.Join(words, ", ") + "]"
}

// mapOf is a YAML map of n names.
func mapOf(n int) string {
	entries := make([]string, n)
	for i := range entries {
		entries[i] = fmt.Sprintf("w%d: v", i)
	}

	return "{" + strings.Join(entries, ", ") + "}"
}
