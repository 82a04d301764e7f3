// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// warnings are the warnings of one expiry at one time. Each is the time by which it precedes the expiry.
type warnings struct {
	// begun is the shortest warning that has begun; 0: none has.
	begun time.Duration
	// next is when the next warning begins; nil: none will.
	next *metav1.Time
}

// ShortLived reports whether an APIKey was created with no more than a period to live until its expiry. No warning is given so long
// before: the owner chose an end that near.
func ShortLived(created, expiry time.Time, period time.Duration) bool {
	return !expiry.Add(-period).After(created)
}

// warningsOf returns the warnings of an expiry. A warning that is not shorter than the life of the APIKey does not count.
func warningsOf(o Observed, expiry *metav1.Time, now time.Time) warnings {
	var w warnings
	if expiry == nil {
		return w
	}
	for _, before := range o.terms().WarnBefore() {
		begin := metav1.NewTime(expiry.Add(-before))
		switch {
		case ShortLived(o.APIKey.CreationTimestamp.Time, expiry.Time, before):
		case !reached(&begin, now):
			w.next = policy.Earlier(w.next, &begin)
		case w.begun == 0 || before < w.begun:
			w.begun = before
		}
	}

	return w
}

// nextWarning returns when the next warning of the recorded expiry begins; nil means never.
func nextWarning(o Observed, now time.Time) *metav1.Time {
	if o.PoliciesUnknown || activeRecord(o.APIKey.Status.Keys) == nil {
		return nil
	}

	return warningsOf(o, o.APIKey.Status.ExpiresAt, now).next
}

// setExpiringSoon reports an expiry that is near, and records the warning in status.warnedBefore. The condition follows from time and
// policies alone. The record makes the event of each warning unique, also across restarts and clocks that step back.
func (w conditionWriter) setExpiringSoon(o Observed, now time.Time) {
	s := w.status
	begun := warningsOf(o, s.ExpiresAt, now).begun
	warned := stillWarned(o, s.ExpiresAt, begun)
	if begun == 0 || activeRecord(s.Keys) == nil {
		w.remove(v1alpha1.ConditionExpiringSoon)
	} else {
		w.set(v1alpha1.ConditionExpiringSoon, metav1.ConditionTrue, v1alpha1.ReasonExpiringSoon, expiringMessage(begun))
		if warned == 0 || begun < warned {
			warned = begun
		}
	}
	s.WarnedBefore = ""
	if warned > 0 {
		s.WarnedBefore = policy.Spelled(warned)
	}
}

// stillWarned returns the shortest warning that was given of an expiry; 0: none was. A warning of an earlier expiry counts for a later one
// if it has begun for that, too. The others can be given again. An expiry that moves closer takes its warnings along.
func stillWarned(o Observed, expiry *metav1.Time, begun time.Duration) time.Duration {
	warned, _ := o.APIKey.Status.WarnedBefore.Parse()
	before := o.APIKey.Status.ExpiresAt
	switch {
	case expiry == nil || warned == 0:
		return 0
	case before == nil || !before.Before(expiry):
		return warned
	case begun == 0:
		return 0
	default:
		return max(warned, begun)
	}
}

// Warned returns the warning that a change of status gives: how long before its expiry the key is at most. It returns false if the change
// gives none.
func Warned(before, after *v1alpha1.APIKey) (time.Duration, bool) {
	was, _ := before.Status.WarnedBefore.Parse()
	is, given := after.Status.WarnedBefore.Parse()

	return is, given && (was == 0 || is < was)
}

// Within returns a warning in words: "7 days", "1 day", "36h".
func Within(before time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case before == day:
		return "1 day"
	case before%day == 0:
		return fmt.Sprintf("%d days", before/day)
	default:
		return string(policy.Spelled(before))
	}
}

func expiringMessage(before time.Duration) string {
	return "The key expires within " + Within(before) + " (status.expiresAt) and cannot be renewed afterwards: " + messageRenew
}

// messageRenew says what keeps clients of a key working beyond its expiry.
const messageRenew = "set a later expiry in spec before, or create another APIKey and move the clients to it."
