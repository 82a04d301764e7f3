// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails

import (
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Label on a policy and on its binding holds Guardrail.Name. The operator finds them by it, whatever prefix their names have.
const Label = v1alpha1.GroupName + "/guardrail"

// Guardrail is one ValidatingAdmissionPolicy with the binding that puts it in force.
type Guardrail struct {
	// Name is the name of both objects: "grants", "limits", "operator", "plaintext", "secrets", "size" or "status".
	Name    string
	Policy  *admissionregistrationv1.ValidatingAdmissionPolicy
	Binding *admissionregistrationv1.ValidatingAdmissionPolicyBinding
}

// All returns the guardrails of a deployment whose operator and verifier run as these service accounts.
func All(operator, verifier ServiceAccount) []Guardrail {
	return []Guardrail{
		grants(),
		limits(),
		ownSecrets(operator),
		plaintext(),
		secrets(operator),
		size(),
		status(operator, verifier),
	}
}

// DescriptionAnnotation on a policy describes it in one sentence.
const DescriptionAnnotation = "kubernetes.io/description"

// newGuardrail completes a guardrail. It sets every field that the API server would default, so that the stored objects equal the
// built ones. The description is one sentence.
func newGuardrail(name, description string, spec admissionregistrationv1.ValidatingAdmissionPolicySpec) Guardrail {
	meta := metav1.ObjectMeta{Name: name, Labels: map[string]string{Label: name}}
	described := *meta.DeepCopy()
	described.Annotations = map[string]string{DescriptionAnnotation: description}
	spec.FailurePolicy = new(admissionregistrationv1.Fail)
	spec.MatchConstraints.MatchPolicy = new(admissionregistrationv1.Equivalent)
	spec.MatchConstraints.NamespaceSelector = &metav1.LabelSelector{}
	spec.MatchConstraints.ObjectSelector = &metav1.LabelSelector{}
	for i := range spec.MatchConstraints.ResourceRules {
		spec.MatchConstraints.ResourceRules[i].Scope = new(admissionregistrationv1.AllScopes)
	}
	binding := admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
		PolicyName:        name,
		ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny, admissionregistrationv1.Audit},
	}
	if spec.ParamKind != nil { // every object of that kind; without any, the policy demands nothing
		binding.ParamRef = &admissionregistrationv1.ParamRef{
			Selector:                &metav1.LabelSelector{},
			ParameterNotFoundAction: new(admissionregistrationv1.AllowAction),
		}
	}

	return Guardrail{
		Name: name,
		Policy: &admissionregistrationv1.ValidatingAdmissionPolicy{
			TypeMeta:   metav1.TypeMeta{APIVersion: admissionregistrationv1.SchemeGroupVersion.String(), Kind: "ValidatingAdmissionPolicy"},
			ObjectMeta: described,
			Spec:       spec,
		},
		Binding: &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
			TypeMeta:   metav1.TypeMeta{APIVersion: admissionregistrationv1.SchemeGroupVersion.String(), Kind: "ValidatingAdmissionPolicyBinding"},
			ObjectMeta: meta,
			Spec:       binding,
		},
	}
}
