// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/http"
	"time"

	"github.com/apikey-operator/apikey-operator/hack/soak/schedule"
)

// Answer is what a verifier has said about a key.
type Answer struct {
	Verifier       schedule.Target
	Digest         string
	Sent, Received time.Time
	Code           int
	// Reason is that of the verifier.
	Reason string
}

// Answered judges an answer.
func (o *Oracle) Answered(a Answer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	k := o.keys[a.Digest]
	switch {
	case k == nil:
		return
	case a.Code == http.StatusServiceUnavailable:
		o.counts.Unavailable++
	case a.Code == http.StatusOK:
		o.accepted(k, a)
	case a.Code == http.StatusUnauthorized:
		o.refused(k, a)
	default:
		o.broken(a.Received, WrongAnswer, "%s answered %d (%s) about %s", a.Verifier, a.Code, a.Reason, k)
	}
}

// accepted judges an answer that accepts a key.
func (o *Oracle) accepted(k *key, a Answer) {
	if k.planted {
		o.broken(a.Received, PlantedAccepted, "%s accepts %s, which a user has put into the Secret", a.Verifier, k)

		return
	}
	if f := o.deadBy(k, a.Verifier, a.Sent); f != nil {
		o.broken(a.Received, DeadAccepted, "%s accepts %s, which is dead since %s (%s)", a.Verifier, k, stamp(f.from), f.reason)

		return
	}
	if o.alive(k, a) {
		o.counts.Live++
	} else {
		o.counts.Open++
	}
}

// refused judges an answer that refuses a key.
func (o *Oracle) refused(k *key, a Answer) {
	switch {
	case o.alive(k, a):
		o.broken(a.Received, LiveRefused, "%s refuses %s as %s, which is live since %s", a.Verifier, k, a.Reason, stamp(k.live))
	case k.planted || o.deadBy(k, a.Verifier, a.Sent) != nil:
		o.counts.Dead++
	default:
		o.counts.Open++
	}
}

// deadBy returns the fact because of which a verifier has to refuse a key at a time.
func (o *Oracle) deadBy(k *key, verifier schedule.Target, at time.Time) *fact {
	for _, f := range append([]*fact{k.dead}, k.subject.facts...) {
		if o.inForce(f, verifier, at) {
			return f
		}
	}

	return nil
}

// alive reports whether a verifier had to accept a key during all of a request.
func (o *Oracle) alive(k *key, a Answer) bool {
	return !k.planted && !k.live.IsZero() && (k.until.IsZero() || a.Received.Before(k.until)) && o.mature(k.known, k.live, a.Verifier, a.Sent)
}

// stamp formats a time for a message.
func stamp(at time.Time) string { return at.UTC().Format("15:04:05.000") }
