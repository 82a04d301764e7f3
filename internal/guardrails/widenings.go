// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails

import (
	"strings"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// widenings returns the variables that tell whether an update widens the use of what an APIKey already has. variables.widening is the
// action as a verb whose object is the APIKey, or empty if the update widens nothing.
func widenings() []variable {
	every, oldEvery := "object.?spec.?rotation.?every", "oldObject.?spec.?rotation.?every"

	return []variable{
		{Name: "created", Expression: "request.operation == 'CREATE'"},
		{Name: "extended", Expression: updated(
			"(object.?spec.?expiresAt != oldObject.?spec.?expiresAt || object.?spec.?validFor != oldObject.?spec.?validFor)",
			policy.DeclaredExpiryCEL("object", policy.Never)+
				" > ["+policy.DeclaredExpiryCEL("oldObject", policy.LongAgo)+", "+policy.RecordedExpiryCEL("oldObject")+"].min()")},
		{Name: "rotated", Expression: updated(
			policy.RotateAnnotationCEL("object")+" != ''",
			policy.RotateAnnotationCEL("object")+" != "+policy.RotateAnnotationCEL("oldObject"))},
		{Name: "scheduled", Expression: updated(
			every+".hasValue()",
			every+" != "+oldEvery,
			"(!"+oldEvery+".orValue('').matches("+quoted(policy.DurationPattern)+") || "+
				"duration(object.spec.rotation.every) < duration(oldObject.spec.rotation.every))")},
		{Name: "overlapped", Expression: updated(
			"object.?spec.?rotation.?overlap.hasValue()",
			policy.SecondsCEL("object.spec.rotation.overlap", 0)+" > "+policy.SecondsCEL("oldObject.?spec.?rotation.?overlap.orValue('')", 0))},
		{Name: "claimableLonger", Expression: updated(claimPeriod("object") + " > " + claimPeriod("oldObject"))},
		{Name: "relabelled", Expression: updated("(" + differ("spec.secret.labels", "spec.secret.annotations") + ")")},
		{Name: "resumed", Expression: updated(
			"oldObject.?spec.?suspend.orValue(false)",
			"!object.?spec.?suspend.orValue(false)")},
		{Name: "customersAdded", Expression: updated(
			"oldObject.?spec.?customers.hasValue()",
			"(!object.?spec.?customers.hasValue() || object.spec.customers.exists(c, !(c in oldObject.spec.customers)))")},
		{Name: "widening", Expression: "variables.extended ? 'extend the expiry of' : " +
			"variables.rotated ? 'rotate' : " +
			"variables.scheduled ? 'schedule an earlier rotation of' : " +
			"variables.overlapped ? 'lengthen the overlap of' : " +
			"variables.claimableLonger ? 'lengthen the claim period of' : " +
			"variables.relabelled ? 'change the labels or annotations of the Secret of' : " +
			"variables.resumed ? 'resume' : " +
			"variables.customersAdded ? 'add customers to' : ''"},
	}
}

// claimPeriod returns how many seconds a key of an object may be claimed, as a CEL integer.
func claimPeriod(object string) string {
	return policy.SecondsCEL(object+".?spec.?secret.?claimBefore.orValue('')", int64(v1alpha1.ClaimBeforeDefault/time.Second))
}

// updated returns an expression that holds for an update that meets all conditions.
func updated(conditions ...string) string {
	return "!variables.created && " + strings.Join(conditions, " && ")
}

// specOrRotateChanged returns an expression that holds if an update changes spec or the rotate annotation, which grants and limits guard.
func specOrRotateChanged() string {
	return specChanged + " || " + policy.RotateAnnotationCEL("object") + " != " + policy.RotateAnnotationCEL("oldObject")
}
