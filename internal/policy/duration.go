// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"regexp"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// DurationPattern accepts the durations of the schema. An object from an older schema can hold others, which CEL cannot convert.
const DurationPattern = `^([0-9]{1,6}h([0-9]{1,7}m)?([0-9]{1,9}s)?|[0-9]{1,7}m([0-9]{1,9}s)?|[0-9]{1,9}s)$`

// maxDurationLength is how many characters a duration of the API has at most.
const maxDurationLength = 25

// SecondsCEL returns a duration of the API as a CEL integer. A duration that cannot be read counts as unreadable.
func SecondsCEL(duration string, unreadable int64) string {
	return fmt.Sprintf("(%s.matches('%s') ? duration(%s).getSeconds() : %d)", duration, DurationPattern, duration, unreadable)
}

// validOverlap reports whether the schema accepts an overlap.
func validOverlap(d v1alpha1.Duration) bool {
	parsed, ok := d.Parse()

	return ok && parsed <= v1alpha1.MaxOverlap && regexp.MustCompile(DurationPattern).MatchString(string(d))
}
