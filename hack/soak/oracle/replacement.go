// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/hack/soak/schedule"
)

// replaces reports whether the operator may replace the key because of a request.
func (r *Request) replaces() bool {
	switch r.Kind {
	case schedule.Rotate, schedule.RotateOverlap, schedule.RotateAgain:
		return !r.used
	case schedule.DeleteSecret, schedule.EditSecret, schedule.RestoreSecret, schedule.RestoreStatus:
		return true
	default:
		return false
	}
}

// checkReplacement checks that a settled APIKey has the active key from before, unless a request was open that may replace it, and that
// replaced keys end when the requests say. A status that was restored may have an earlier key and its end.
func (o *Oracle) checkReplacement(now time.Time, s *subject) {
	if s.final() || slices.ContainsFunc(s.open, func(r *Request) bool { return r.Kind == schedule.RestoreStatus }) {
		return
	}
	active := records(s.apikey, v1alpha1.KeyActive)[0]
	if s.active != "" && active.Digest != s.active && !slices.ContainsFunc(s.open, (*Request).replaces) {
		o.broken(now, ReplacedUnasked, "%s has the key %s instead of %s, which was not asked for", s.name, active.ID, s.active[:idLength])
	}
	latest := now.Add(s.longestOverlap() + rounding)
	for _, r := range records(s.apikey, v1alpha1.KeyRetiring) {
		if k := o.keys[r.Digest]; k == nil || k.planted || k.dead != nil {
			continue // checkRevival checks that an end stays
		}
		switch {
		case r.NotAfter == nil:
			o.broken(now, Prolonged, "%s/%s was replaced and has no end", s.name, r.ID)
		case r.NotAfter.After(latest):
			o.broken(now, Prolonged, "%s/%s is valid until %s, and the requests allow %s", s.name, r.ID, stamp(r.NotAfter.Time), stamp(latest))
		}
	}
}

// longestOverlap returns the longest overlap that an open request allows.
func (s *subject) longestOverlap() (longest time.Duration) {
	for _, r := range s.open {
		switch overlap := r.Overlap; {
		case !r.replaces():
		case r.Value != "":
			longest = max(longest, overlap)
		case s.apikey.Spec.Rotation != nil:
			overlap, _ = s.apikey.Spec.Rotation.Overlap.Parse()
			longest = max(longest, overlap)
		}
	}

	return longest
}

// mayHaveEnded reports whether a user has asked for the final phase of an APIKey, and the time of an expiry has come.
func (s *subject) mayHaveEnded(now time.Time) bool {
	if s.apikey.Status.Phase == v1alpha1.PhaseExpired {
		return !s.expires.IsZero() && !now.Before(s.expires)
	}

	return s.revoking
}

// restoredSince reports whether a status was restored after the request to delete a Secret. A watch that was interrupted shows that the
// Secret is gone after that, and the key may be Active again.
func (s *subject) restoredSince(secret types.UID) bool {
	deletion := slices.IndexFunc(s.open, func(r *Request) bool { return r.Kind == schedule.DeleteSecret && r.Secret == secret })

	return slices.ContainsFunc(s.open[deletion+1:], func(r *Request) bool { return r.Kind == schedule.RestoreStatus })
}
