// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle_test

import (
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// FuzzWarnings moves expiry, clock and policies at random and checks that no warning of an expiry is repeated, that each is true, and that
// the next wake is never late.
func FuzzWarnings(f *testing.F) {
	f.Add([]byte{0, 10, 40, 80, 120, 200}, uint16(400), "720h", "1m")
	f.Add([]byte{250, 3, 250, 3, 7, 90}, uint16(20), "24h", "25h")
	f.Fuzz(func(t *testing.T, moves []byte, lifetime uint16, first, second string) {
		expiry := now.Add(time.Duration(lifetime) * day)
		l := bornBefore(expiry, time.Duration(lifetime)*day+time.Hour)
		l.policies = []*v1alpha1.APIKeyPolicy{{Spec: v1alpha1.APIKeyPolicySpec{Expiry: &v1alpha1.ExpiryPolicy{
			WarnBefore: []v1alpha1.Duration{v1alpha1.Duration(first), v1alpha1.Duration(second)},
		}}}}
		shortest := time.Duration(0) // the shortest warning of this expiry
		for _, move := range moves {
			when := l.now.Add(time.Duration(int(move)-60) * 6 * time.Hour)
			if move%8 == 7 {
				expiry = expiry.Add(time.Duration(int(move)-128) * day)
				l.expire(expiry)
				shortest = 0
			}
			ended := l.apikey.Status.Phase == v1alpha1.PhaseExpired
			warned := l.settle(when)
			left := expiry.Sub(when)
			switch {
			case warned == 0:
			case ended || left <= 0:
				t.Fatalf("a key that has ended is warned of")
			case left > warned || shortest > 0 && warned >= shortest:
				t.Fatalf("%s before the end the warning is %s, after %s", left, warned, shortest)
			default:
				shortest = warned
			}
			if wake := lifecycle.NextWake(l.observed(), when); l.apikey.Status.Phase == v1alpha1.PhaseActive && (wake <= 0 || wake > left) {
				t.Fatalf("%s before the end the next wake is in %s", left, wake)
			}
		}
	})
}
