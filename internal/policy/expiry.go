// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// requiredExpiry demands an expiry where the policy has no default.
func requiredExpiry() demand {
	return demand{
		name: "required expiry",
		violation: func(spec *v1alpha1.APIKeyPolicySpec, apikey *v1alpha1.APIKey) string {
			if spec.Expiry == nil || !spec.Expiry.Required || spec.Expiry.Default != "" || DeclaredExpiry(apikey) != nil {
				return ""
			}

			return "demands an expiry: set spec.expiresAt or spec.validFor."
		},
		met: "!params.spec.?expiry.?required.orValue(false) || has(params.spec.expiry.default) || " +
			"has(object.spec.expiresAt) || has(object.spec.validFor) || " +
			"(request.operation != 'CREATE' && !has(variables.had.expiresAt) && !has(variables.had.validFor))",
		refusal: []string{"'demands an expiry: set spec.expiresAt or spec.validFor.'"},
	}
}

// maximumLifetime demands an expiry that is no later than spec.expiry.maximum after the creation. An APIKey without an expiry
// meets it: the operator gives it the maximum.
func maximumLifetime() demand {
	const maximum = "params.spec.expiry.maximum"

	return demand{
		name: "maximum lifetime",
		violation: func(spec *v1alpha1.APIKeyPolicySpec, apikey *v1alpha1.APIKey) string {
			declared, latest := DeclaredExpiry(apikey), latestExpiry(spec, apikey)
			if declared == nil || latest == nil || !latest.Before(declared) {
				return ""
			}
			limit := fmt.Sprintf("lets a key live at most %s from its creation: ", spec.Expiry.Maximum)
			if apikey.Spec.ExpiresAt != nil {
				return limit + "spec.expiresAt is later."
			}

			return fmt.Sprintf("%sspec.validFor is %s.", limit, apikey.Spec.ValidFor)
		},
		met: "!params.spec.?expiry.?maximum.hasValue() || variables.end == " + integer(Never) + " || variables.end <= variables.endBefore || " +
			"variables.end <= variables.created + duration(" + maximum + ").getSeconds()",
		refusal: []string{
			"'lets a key live at most ' + " + maximum + " + ' from its creation: '",
			"(has(object.spec.expiresAt) ? 'spec.expiresAt is later. It is ' + object.spec.expiresAt + ' and may be ' + " +
				"string(timestamp(object.metadata.creationTimestamp) + duration(" + maximum + ")) + ' at the latest.' : " +
				"'spec.validFor is ' + object.spec.validFor + '.')",
		},
		variables: []admissionregistrationv1.Variable{
			{Name: "created", Expression: "int(timestamp(object.metadata.creationTimestamp))"},
			{Name: "end", Expression: DeclaredExpiryCEL("object", LongAgo)},
			{Name: "endBefore", Expression: expiryBefore()},
		},
	}
}

// expiryBefore is a CEL integer: the expiry that an APIKey had before the update. Where its spec had none, it is the recorded
// one. Without a record, a key that was handed out had none, and an APIKey without a key has nothing to lose.
func expiryBefore() string {
	return "request.operation == 'CREATE' ? " + integer(LongAgo) + " : " +
		"has(variables.had.expiresAt) || has(variables.had.validFor) ? " + DeclaredExpiryCEL("oldObject", LongAgo) + " : " +
		"oldObject.?status.?expiresAt.hasValue() || oldObject.?status.?lastRotation.hasValue() ? " + RecordedExpiryCEL("oldObject") + " : " + integer(LongAgo)
}

// latestExpiry returns the latest expiry that a policy allows an APIKey; nil means that it allows any.
func latestExpiry(spec *v1alpha1.APIKeyPolicySpec, apikey *v1alpha1.APIKey) *metav1.Time {
	if spec.Expiry == nil {
		return nil
	}

	return afterCreation(apikey, spec.Expiry.Maximum)
}

// outdatedExpiry returns how the expiry of a key that was handed out fails a policy although its spec meets it, or "".
func outdatedExpiry(spec *v1alpha1.APIKeyPolicySpec, apikey *v1alpha1.APIKey, expiry *metav1.Time) string {
	if requiredExpiry().violation(spec, apikey) != "" || maximumLifetime().violation(spec, apikey) != "" {
		return ""
	}
	latest := latestExpiry(spec, apikey)
	switch {
	case latest != nil && (expiry == nil || latest.Before(expiry)):
		return "lets a key live at most " + string(spec.Expiry.Maximum) +
			" from its creation, and the end of this one was fixed before: set spec.expiresAt or spec.validFor."
	case expiry == nil && spec.Expiry != nil && spec.Expiry.Required:
		return "demands an expiry, and this key was handed out without one before: set spec.expiresAt or spec.validFor."
	default:
		return ""
	}
}
