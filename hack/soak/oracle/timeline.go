// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"sort"
	"time"
)

// timeline records when something was healthy. It is unhealthy before the first change.
type timeline struct{ changes []change }

// change is the begin of a period.
type change struct {
	at      time.Time
	healthy bool
	// reset restarts the count of healthy time.
	reset bool
}

// set begins a period, unless nothing changes.
func (t *timeline) set(at time.Time, healthy, reset bool) {
	if n := len(t.changes); n > 0 {
		last := t.changes[n-1]
		if last.healthy == healthy && !reset {
			return
		}
		if at.Before(last.at) {
			at = last.at
		}
	} else if !healthy {
		return
	}
	t.changes = append(t.changes, change{at, healthy, reset})
}

// healthy reports the state of the last period.
func (t *timeline) healthy() bool { return len(t.changes) > 0 && t.changes[len(t.changes)-1].healthy }

// after returns when the healthy time since a moment has reached a budget, and false if it has not by now.
func (t *timeline) after(since time.Time, budget time.Duration, now time.Time) (time.Time, bool) {
	next := sort.Search(len(t.changes), func(i int) bool { return t.changes[i].at.After(since) })
	healthy := next > 0 && t.changes[next-1].healthy
	spent := time.Duration(0)
	for from := since; ; next++ {
		end := now
		if next < len(t.changes) && t.changes[next].at.Before(now) {
			end = t.changes[next].at
		}
		if healthy {
			if left := budget - spent; end.Sub(from) >= left {
				return from.Add(left), true
			}
			spent += end.Sub(from)
		}
		if next >= len(t.changes) || !t.changes[next].at.Before(now) {
			return time.Time{}, false
		}
		if t.changes[next].reset {
			spent = 0
		}
		healthy, from = t.changes[next].healthy, t.changes[next].at
	}
}
