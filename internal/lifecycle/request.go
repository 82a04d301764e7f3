// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// RotateRequest is the content of the rotate annotation: "name" or "name,overlap=10m".
type RotateRequest struct {
	// Name is the text before the first comma. It has no meaning beyond telling requests apart for people.
	Name string
	// Overlap is how long the replaced key stays valid after this one rotation, from 0s to v1alpha1.MaxOverlap.
	// Empty: spec.rotation.overlap applies.
	Overlap v1alpha1.Duration
}

// overlapModifier precedes the overlap in a rotate annotation.
const overlapModifier = "overlap="

// ErrRotateRequest tells that a rotate annotation holds a comma and what follows is not exactly one overlap.
var ErrRotateRequest = errors.New("the annotation " + v1alpha1.RotateAnnotation + " is a name without a comma, such as \"leak-4711\", or such a name and an overlap " +
	"from 0s to 720h without spaces, such as \"leak-4711,overlap=0s\"")

// ParseRotateRequest reads a rotate annotation. The name is everything before the first comma and must not be empty there;
// after the comma stands exactly one "overlap=" with a duration as in spec. Without a comma any text is a name.
// On an error the request still has its name and asks for no overlap of its own.
//
// The guardrails express the same grammar in CEL; a test compares both.
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

// durationShape returns the pattern that the schema sets for durations.
func durationShape() *regexp.Regexp {
	return regexp.MustCompile(`^([0-9]{1,6}h([0-9]{1,7}m)?([0-9]{1,9}s)?|[0-9]{1,7}m([0-9]{1,9}s)?|[0-9]{1,9}s)$`)
}

// validOverlap tells whether admission accepts an overlap in spec.
func validOverlap(d v1alpha1.Duration) bool {
	parsed, err := time.ParseDuration(string(d))

	return err == nil && parsed >= 0 && parsed <= v1alpha1.MaxOverlap && durationShape().MatchString(string(d))
}
