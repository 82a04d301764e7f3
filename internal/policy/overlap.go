// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// overlapMaximum is the longest overlap that a policy allows, in CEL.
const overlapMaximum = "params.spec.rotation.maximumOverlap"

// maximumOverlap demands a spec.rotation.overlap that is no longer than spec.rotation.maximumOverlap.
func maximumOverlap() demand {
	const declared, before = "object.spec.rotation.overlap", "variables.had.?rotation.?overlap.orValue('')"

	return demand{
		name: "maximum overlap",
		violation: func(spec *v1alpha1.APIKeyPolicySpec, apikey *v1alpha1.APIKey) string {
			maximum, limited := longestOverlap(spec)
			if !limited || apikey.Spec.Rotation == nil {
				return ""
			}
			if overlap, _ := apikey.Spec.Rotation.Overlap.Parse(); overlap <= maximum {
				return ""
			}

			return fmt.Sprintf("lets a replaced key work at most %s longer: spec.rotation.overlap is %s.",
				spec.Rotation.MaximumOverlap, apikey.Spec.Rotation.Overlap)
		},
		met: "!params.spec.?rotation.?maximumOverlap.hasValue() || !object.spec.?rotation.?overlap.hasValue() || " +
			SecondsCEL(declared, 0) + " <= duration(" + overlapMaximum + ").getSeconds() || " + SecondsCEL(declared, 0) + " <= " + SecondsCEL(before, 0),
		refusal: []string{
			"'lets a replaced key work at most ' + " + overlapMaximum + " + ' longer: spec.rotation.overlap is ' + " + declared + " + '.'",
		},
	}
}

// maximumRequestedOverlap demands the same of the overlap that the rotate annotation requests. It has no Go: the operator
// shortens a requested overlap (LimitOverlap). The annotation of a new APIKey requests no rotation.
func maximumRequestedOverlap() demand {
	return demand{
		name: "maximum requested overlap",
		met: "!params.spec.?rotation.?maximumOverlap.hasValue() || request.operation == 'CREATE' || !variables.rotateChanged || " +
			"variables.rotateOverlap <= duration(" + overlapMaximum + ").getSeconds()",
		refusal: []string{
			"'lets a replaced key work at most ' + " + overlapMaximum + " + ' longer: the annotation " + v1alpha1.RotateAnnotation + " asks for '",
			"variables.rotateTail.substring(9) + '.'",
		},
		variables: RotateRequestVariables(),
	}
}

// LimitOverlap returns an overlap, shortened to the longest that every policy allows.
func (t Terms) LimitOverlap(overlap time.Duration) time.Duration {
	for _, policy := range t.policies {
		if maximum, limited := longestOverlap(&policy.Spec); limited {
			overlap = min(overlap, maximum)
		}
	}

	return overlap
}

// longestOverlap returns the longest overlap that a policy allows. It returns false if the policy allows any.
func longestOverlap(spec *v1alpha1.APIKeyPolicySpec) (time.Duration, bool) {
	if spec.Rotation == nil {
		return 0, false
	}

	return spec.Rotation.MaximumOverlap.Parse()
}
