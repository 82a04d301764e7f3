// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package output

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Never is how a time is written that does not come.
const Never = "never"

// In returns how long it is until a time, as kubectl writes ages: "29d". A time that has come is "ended"; nil is never.
func In(at *time.Time, now time.Time) string {
	switch {
	case at == nil:
		return Never
	case !now.Before(*at):
		return "ended"
	default:
		return duration.HumanDuration(at.Sub(now))
	}
}

// Ago returns how long ago a time was, as kubectl writes ages; nil is never.
func Ago(at *time.Time, now time.Time) string {
	if at == nil {
		return Never
	}

	return duration.HumanDuration(max(now.Sub(*at), 0))
}

// Limit returns a rate limit as --rate-limit takes it: "100/1m", with ",burst=20" where it has a burst of its own.
func Limit(limit *v1alpha1.RateLimit) string {
	if limit == nil {
		return "none"
	}
	text := strconv.Itoa(int(limit.Requests)) + "/" + string(limit.Per)
	if limit.Burst > 0 {
		text += ",burst=" + strconv.Itoa(int(limit.Burst))
	}

	return text
}

// Permissions returns permissions and roles on one line; a role is written "role/NAME".
func Permissions(permissions []v1alpha1.Permission, roles []v1alpha1.RoleName) string {
	names := make([]string, 0, len(permissions)+len(roles))
	for _, permission := range permissions {
		names = append(names, string(permission))
	}
	for _, role := range roles {
		names = append(names, "role/"+string(role))
	}
	if len(names) == 0 {
		return "none"
	}

	return strings.Join(names, ",")
}

// Status returns the cell of a status.
func Status(phase v1alpha1.Phase) Cell {
	colour := Default
	switch phase {
	case v1alpha1.PhaseActive:
		colour = Green
	case v1alpha1.PhasePending:
		colour = Cyan
	case v1alpha1.PhaseSuspended:
		colour = Yellow
	case v1alpha1.PhaseRevoked, v1alpha1.PhaseExpired:
		colour = Red
	}

	return Cell{Text: string(phase), Colour: colour}
}

// Count returns a number with its noun: "1 key", "3 keys".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}

	return fmt.Sprintf("%d %ss", n, noun)
}
