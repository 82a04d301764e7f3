// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"cmp"
	"strings"
	"time"
)

// The columns of the list, as the address names them.
const (
	columnName        = "name"
	columnEnvironment = "environment"
	columnStatus      = "status"
	columnPermissions = "permissions"
	columnLimit       = "limit"
	columnExpires     = "expires"
	columnUsed        = "used"
)

// cmpOr returns the first text that is not empty.
func cmpOr(texts ...string) string { return cmp.Or(texts...) }

// orderBy returns how a column orders keys; nil: there is no such column. Keys that are equal there are ordered by name.
func orderBy(column string) func(a, b *summary, now time.Time) int {
	switch column {
	case columnName:
		return func(_, _ *summary, _ time.Time) int { return 0 }
	case columnEnvironment:
		return func(a, b *summary, _ time.Time) int {
			return strings.Compare(string(a.view.Environment), string(b.view.Environment))
		}
	case columnStatus:
		return func(a, b *summary, now time.Time) int {
			x, y := chipOf(a, now), chipOf(b, now)

			return cmp.Or(cmp.Compare(urgency(x.Tone), urgency(y.Tone)), strings.Compare(x.Text, y.Text))
		}
	case columnPermissions:
		return func(a, b *summary, _ time.Time) int { return cmp.Compare(grants(b), grants(a)) }
	case columnLimit:
		return func(a, b *summary, _ time.Time) int { return cmp.Compare(rate(b), rate(a)) }
	case columnExpires:
		return func(a, b *summary, _ time.Time) int { return compareTimes(a.view.Expires, b.view.Expires) }
	case columnUsed:
		return func(a, b *summary, _ time.Time) int { return -compareTimes(a.view.LastUsed, b.view.LastUsed) }
	default:
		return nil
	}
}

// urgency orders tones: what needs a person now comes first.
func urgency(tone string) int {
	switch tone {
	case toneBad:
		return 0
	case toneWarn:
		return 1
	case toneOK:
		return 2
	default:
		return 3
	}
}

func grants(s *summary) int { return len(s.view.Permissions) + len(s.view.Roles) }

// rate returns requests per second; no limit is more than every limit.
func rate(s *summary) float64 {
	if s.view.Limit == nil {
		return 1e18
	}
	per, err := time.ParseDuration(string(s.view.Limit.Per))
	if err != nil || per <= 0 {
		return 0
	}

	return float64(s.view.Limit.Requests) / per.Seconds()
}

// compareTimes orders times, the earliest first and those that never come last.
func compareTimes(a, b *time.Time) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	default:
		return a.Compare(*b)
	}
}
