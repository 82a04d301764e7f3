// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"fmt"
	"strings"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// RotateRequest is the content of the rotate annotation: "name" or "name,overlap=10m".
type RotateRequest struct {
	// Name is the text before the first comma. It distinguishes requests for readers and has no other meaning.
	Name string
	// Overlap is how long the replaced key stays valid after this one rotation, from 0s to v1alpha1.MaxOverlap.
	// If it is empty, spec.rotation.overlap applies.
	Overlap v1alpha1.Duration
}

// overlapModifier precedes the overlap in a rotate annotation, after the comma.
const overlapModifier = "overlap="

// ErrRotateRequest means that a rotate annotation has a comma that exactly one overlap does not follow.
var ErrRotateRequest = errors.New("the annotation " + v1alpha1.RotateAnnotation + " is a name without a comma, such as \"leak-4711\", or such a name and " +
	"an overlap " +
	"from 0s to 720h without spaces, such as \"leak-4711,overlap=0s\"")

// ParseRotateRequest reads a rotate annotation. Text without a comma is a name. Otherwise the name before the first comma must not
// be empty, and exactly one "overlap=" with a duration as in spec follows. On an error the request has its name and no overlap.
func ParseRotateRequest(value string) (RotateRequest, error) {
	name, modifier, found := strings.Cut(value, ",")
	request := RotateRequest{Name: name}
	if !found {
		return request, nil
	}
	text, isOverlap := strings.CutPrefix(modifier, overlapModifier)
	overlap := v1alpha1.Duration(text)
	if name == "" || !isOverlap || !validOverlap(overlap) {
		return request, fmt.Errorf("%w", ErrRotateRequest)
	}
	request.Overlap = overlap

	return request, nil
}

// RotateAnnotationCEL returns the rotate annotation of "object" or "oldObject". An absent one equals an empty one.
func RotateAnnotationCEL(object string) string {
	return object + ".metadata.?annotations[?'" + v1alpha1.RotateAnnotation + "'].orValue('')"
}

// RotateRequestVariables returns ParseRotateRequest in CEL: variables.rotate is the annotation, and variables.rotateOverlap the
// overlap in seconds, -1 if there is none, or -2 for ErrRotateRequest.
//
// An annotation from before its limit can have 256 KiB, so only the text after the first comma is matched, if it is short.
func RotateRequestVariables() []admissionregistrationv1.Variable {
	const tail, overlap = "variables.rotateTail", "variables.rotateTail.substring(9)"

	return []admissionregistrationv1.Variable{
		{Name: "rotate", Expression: RotateAnnotationCEL("object")},
		{Name: "rotateChanged", Expression: "request.operation == 'CREATE' || variables.rotate != " + RotateAnnotationCEL("oldObject")},
		{Name: "rotateTail", Expression: "variables.rotate.contains(',') ? variables.rotate.substring(variables.rotate.indexOf(',')) : ''"},
		{Name: "rotateOverlap", Expression: fmt.Sprintf(
			"%[1]s == '' ? -1 : size(%[1]s) <= %[2]d && %[1]s.startsWith(',%[3]s') && !variables.rotate.startsWith(',') && %[4]s.matches('%[5]s') && "+
				"duration(%[4]s) <= duration('%[6]dh') ? duration(%[4]s).getSeconds() : -2",
			tail, len(","+overlapModifier)+maxDurationLength, overlapModifier, overlap, DurationPattern, v1alpha1.MaxOverlap/time.Hour)},
	}
}
