// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails

import (
	"fmt"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// overlapModifier precedes the overlap in a rotate annotation, after its name.
const overlapModifier = ",overlap="

// maxDurationLength is how many characters a duration of the API has at most.
const maxDurationLength = 25

// rotateVariables are the rotate annotation: variables.rotate is its text, and variables.rotateOverlap the overlap that it asks
// for, in seconds; -1: it asks for none, -2: nobody can say what it asks for. It is what lifecycle.ParseRotateRequest says in Go.
//
// A text from before its limit may have 256 KiB, so only what follows the first comma is matched, once that is short.
func rotateVariables() []variable {
	const tail, overlap = "variables.rotateTail", "variables.rotateTail.substring(9)"

	return []variable{
		{Name: "rotate", Expression: rotateAnnotation("object")},
		{Name: "rotateChanged", Expression: "request.operation == 'CREATE' || variables.rotate != " + rotateAnnotation("oldObject")},
		{Name: "rotateTail", Expression: "variables.rotate.contains(',') ? variables.rotate.substring(variables.rotate.indexOf(',')) : ''"},
		{Name: "rotateOverlap", Expression: fmt.Sprintf(
			"%[1]s == '' ? -1 : size(%[1]s) <= %[2]d && %[1]s.startsWith(%[3]s) && !variables.rotate.startsWith(',') && %[4]s.matches(%[5]s) && "+
				"duration(%[4]s) <= duration('%[6]dh') ? duration(%[4]s).getSeconds() : -2",
			tail, len(overlapModifier)+maxDurationLength, quoted(overlapModifier), overlap, quoted(durationPattern), v1alpha1.MaxOverlap/time.Hour)},
	}
}

// rotateAnnotationReadable is the validation of the rotate annotation where it is set or changed. One that was there before
// rotates with the overlap of spec.
func rotateAnnotationReadable() validation {
	rule := forbidden("!variables.rotateChanged || variables.rotateOverlap != -2", "")
	rule.Message = "the annotation " + v1alpha1.RotateAnnotation + " is a name without a comma, such as \"leak-4711\", or such a name and an overlap " +
		"from 0s to 720h without spaces, such as \"leak-4711,overlap=0s\""

	return rule
}
