// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"cmp"
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

// AwaitGuardrails waits until the API server serves the CRDs and enforces every guardrail: each guardrail refuses a request that it must
// refuse, and requests that must pass do. It sends requests for the namespace of the operator and deletes what it created. It returns a sentence for each
// guardrail that it could not test with the rights of its user.
func AwaitGuardrails(ctx context.Context, config *rest.Config) (notes []string, err error) {
	return AwaitGuardrailsIn(ctx, config, "")
}

// AwaitGuardrailsIn is AwaitGuardrails with requests for another namespace; empty: that of the operator. An operator with --namespaces has
// rights in these namespaces only, and a request that RBAC refuses does not reach a guardrail.
func AwaitGuardrailsIn(ctx context.Context, config *rest.Config, namespace string) (notes []string, err error) {
	s, err := newSite(config, cmp.Or(namespace, metav1.NamespaceDefault))
	if err != nil {
		return nil, err
	}
	s.fixed = namespace != ""
	defer func() { err = errors.Join(err, s.remove(ctx)) }()
	probes := s.crdProbes()
	for _, name := range names() {
		probes = append(probes, probe{"guardrail " + name, func(ctx context.Context) error { return s.refusedBy(ctx, name) }})
	}
	probes = append(probes,
		probe{"an APIKey that no guardrail concerns", s.ordinaryPasses},
		probe{"a change that no guardrail concerns", s.harmlessChangePasses})

	return await(ctx, "the API server does not enforce the guardrails", probes)
}

// AwaitRemoval waits until no guardrail refuses a request.
func AwaitRemoval(ctx context.Context, config *rest.Config) error {
	s, err := newSite(config, metav1.NamespaceDefault)
	if err != nil {
		return err
	}
	var probes []probe
	for kind, object := range map[string]client.Object{"an APIKey": s.ordinary(), "a Secret of an APIKey": s.secretOfOperator()} {
		probes = append(probes, probe{kind, func(ctx context.Context) error {
			draft := object.DeepCopyObject().(client.Object) //nolint:errcheck,forcetypeassert // a copy has the type of the original
			err := s.client.Create(ctx, draft, client.DryRunAll)
			if err == nil || !ofGuardrail(err) {
				return nil // a missing CRD is no guardrail either
			}

			return err
		}})
	}
	_, err = await(ctx, "the API server still enforces guardrails that were removed", probes)

	return err
}

// ofGuardrail reports whether a guardrail gave an answer. It compares the end of the name, because the policy itself may be gone.
func ofGuardrail(err error) bool {
	return slices.ContainsFunc(names(), func(name string) bool {
		return regexp.MustCompile(anyPolicy + `([^']*-)?` + name + "'").MatchString(err.Error())
	})
}

// names returns the names of all guardrails.
func names() []string {
	all := guardrails.All(guardrails.ServiceAccount{}, guardrails.ServiceAccount{})
	found := make([]string, 0, len(all))
	for _, guardrail := range all {
		found = append(found, guardrail.Name)
	}

	return found
}

// refusedBy sends a request that a guardrail must refuse.
func (s *site) refusedBy(ctx context.Context, name string) error {
	refusal := refusals()[name]
	if refusal == nil {
		return inconclusive{"there is no request that tells whether it is in force"}
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
		return inconclusive{fmt.Sprintf("%s refuses the request before it in namespace %s", refusing, s.namespace)}
	}
}

// findGuardrails returns the guardrail of each installed policy by name, and stores which user they regard as the operator.
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
			s.operator = operator.Username()
			if !s.fixed {
				s.namespace = operator.Namespace
			}
		}
	}

	return installed, nil
}

// ordinaryPasses creates a valid APIKey. A guardrail may still refuse it, because of an APIKeyPolicy of this cluster or because
// this user may not use the environment. Then the guardrail is in force.
func (s *site) ordinaryPasses(ctx context.Context) error {
	err := s.client.Create(ctx, s.ordinary(), client.DryRunAll)
	if refusing := refusingPolicy(err); refusing != "" {
		return inconclusive{fmt.Sprintf("%s refuses it in namespace %s", refusing, s.namespace)}
	}

	return err
}

// harmlessChangePasses annotates an APIKey.
func (s *site) harmlessChangePasses(ctx context.Context) error {
	patch := client.RawPatch(mergePatch, fmt.Appendf(nil, `{"metadata":{"annotations":{%q:"harmless"}}}`, probeAnnotation))

	return s.changed(ctx, func(apikey *v1alpha1.APIKey) error { return s.client.Patch(ctx, apikey, patch, client.DryRunAll) })
}

// ordinary returns an APIKey with minimal limits, which meets most policies.
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
