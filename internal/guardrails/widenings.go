// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails

import (
	"strings"

	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// widenings are the variables that say whether an update makes what the key already has count for more, and how:
// variables.widening is the deed as a verb whose object is the APIKey; empty: nothing of the kind.
func widenings() []variable {
	every, oldEvery := "object.?spec.?rotation.?every", "oldObject.?spec.?rotation.?every"

	return []variable{
		{Name: "created", Expression: "request.operation == 'CREATE'"},
		{Name: "extended", Expression: updated(
			"(object.?spec.?expiresAt != oldObject.?spec.?expiresAt || object.?spec.?validFor != oldObject.?spec.?validFor)",
			policy.DeclaredExpiryCEL("object", policy.Never)+" > ["+policy.DeclaredExpiryCEL("oldObject", policy.LongAgo)+", "+policy.RecordedExpiryCEL("oldObject")+"].min()")},
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
			"variables.relabelled ? 'change the labels or annotations of the Secret of' : " +
			"variables.resumed ? 'resume' : " +
			"variables.customersAdded ? 'add customers to' : ''"},
	}
}

// updated holds for an update that meets all conditions.
func updated(conditions ...string) string {
	return "!variables.created && " + strings.Join(conditions, " && ")
}

// specOrRotateChanged says whether an update changes what grants and limits are about.
func specOrRotateChanged() string {
	return specChanged + " || " + policy.RotateAnnotationCEL("object") + " != " + policy.RotateAnnotationCEL("oldObject")
}
