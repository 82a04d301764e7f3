// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/guardrails"
)

// AwaitGuardrails waits until the API server serves the CRDs and goes by every guardrail: a request that a guardrail must
// refuse is refused by that guardrail, and requests that must pass do. It asks in the namespace of the operator and leaves
// nothing behind. It returns what it could not find out with the rights of its user, a sentence each.
func AwaitGuardrails(ctx context.Context, config *rest.Config) (notes []string, err error) {
	s, err := newSite(config, metav1.NamespaceDefault)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.remove(ctx)) }()
	probes := s.crdProbes()
	for _, name := range names() {
		probes = append(probes, probe{"guardrail " + name, func(ctx context.Context) error { return s.refusedBy(ctx, name) }})
	}
	probes = append(probes,
		probe{"an APIKey that no guardrail is about", s.ordinaryPasses},
		probe{"a change that no guardrail is about", s.harmlessChangePasses})

	return await(ctx, "the API server does not go by the guardrails", probes)
}

// AwaitRemoval waits until no guardrail refuses anything any more.
func AwaitRemoval(ctx context.Context, config *rest.Config) error {
	s, err := newSite(config, metav1.NamespaceDefault)
	if err != nil {
		return err
	}
	var probes []probe
	for kind, object := range map[string]client.Object{"an APIKey": s.ordinary(), "a Secret of an APIKey": s.secretOfOperator()} {
		probes = append(probes, probe{kind, func(ctx context.Context) error {
			err := s.client.Create(ctx, object.DeepCopyObject().(client.Object), client.DryRunAll) //nolint:errcheck,forcetypeassert // a copy has the type of the original
			if err == nil || !ofGuardrail(err) {
				return nil // without a CRD, too, no guardrail refuses it
			}

			return err
		}})
	}
	_, err = await(ctx, "the API server still goes by the guardrails that were removed", probes)

	return err
}

// ofGuardrail reports whether an answer comes from a guardrail, which its name ends with: the policy itself may be gone.
func ofGuardrail(err error) bool {
	return slices.ContainsFunc(names(), func(name string) bool {
		return regexp.MustCompile(anyPolicy + `([^']*-)?` + name + "'").MatchString(err.Error())
	})
}

// names are those of all guardrails.
func names() []string {
	all := guardrails.All(guardrails.ServiceAccount{}, guardrails.ServiceAccount{})
	found := make([]string, 0, len(all))
	for _, guardrail := range all {
		found = append(found, guardrail.Name)
	}

	return found
}

// refusedBy makes a request that a guardrail must refuse.
func (s *site) refusedBy(ctx context.Context, name string) error {
	refusal := refusals()[name]
	if refusal == nil {
		return untold{"there is no request that tells whether it is in force"}
	}
	installed, err := s.findGuardrails(ctx)
	if err != nil {
		return err
	}
	if !slices.Contains(slices.Collect(maps.Values(installed)), name) {
		return fmt.Errorf("no ValidatingAdmissionPolicy has the label %s=%s", guardrails.Label, name)
	}
	err = refusal(s, ctx)
	switch refusing := refusingPolicy(err); {
	case err == nil:
		return errAccepted
	case refusing == "":
		return err
	case installed[refusing] == name:
		return nil
	default:
		return untold{fmt.Sprintf("%s refuses the request before it in namespace %s", refusing, s.namespace)}
	}
}

// findGuardrails returns which guardrail each installed policy is, and notes who they take for the operator.
func (s *site) findGuardrails(ctx context.Context) (map[string]string, error) {
	policies := &admissionregistrationv1.ValidatingAdmissionPolicyList{}
	if err := s.client.List(ctx, policies, client.HasLabels{guardrails.Label}); err != nil {
		return nil, err
	}
	installed := make(map[string]string, len(policies.Items))
	for i := range policies.Items {
		policy := &policies.Items[i]
		installed[policy.Name] = policy.Labels[guardrails.Label]
		if operator, found := guardrails.Operator(policy); found {
			s.operator, s.namespace = operator.Username(), operator.Namespace
		}
	}

	return installed, nil
}

// ordinaryPasses makes an APIKey that nothing is wrong with. A rule of a guardrail may refuse it all the same, such as
// an APIKeyPolicy of this cluster, or because this user may not use the environment: then the guardrail answers.
func (s *site) ordinaryPasses(ctx context.Context) error {
	err := s.client.Create(ctx, s.ordinary(), client.DryRunAll)
	if refusing := refusingPolicy(err); refusing != "" {
		return untold{fmt.Sprintf("%s refuses it in namespace %s", refusing, s.namespace)}
	}

	return err
}

// harmlessChangePasses annotates an APIKey.
func (s *site) harmlessChangePasses(ctx context.Context) error {
	patch := client.RawPatch(mergePatch, fmt.Appendf(nil, `{"metadata":{"annotations":{%q:"harmless"}}}`, probeAnnotation))

	return s.changed(ctx, func(apikey *v1alpha1.APIKey) error { return s.client.Patch(ctx, apikey, patch, client.DryRunAll) })
}

// ordinary is an APIKey that asks for as little as it can: it meets most policies, too.
func (s *site) ordinary() *v1alpha1.APIKey {
	return &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, GenerateName: probeName + "-"},
		Spec: v1alpha1.APIKeySpec{
			Environment: v1alpha1.EnvironmentDevelopment,
			ValidFor:    "1h",
			RateLimit:   &v1alpha1.RateLimit{Requests: 1, Per: "24h"},
			Rotation:    &v1alpha1.Rotation{Every: "1m"},
		},
	}
}
