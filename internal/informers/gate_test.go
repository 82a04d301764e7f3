// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package informers_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/internal/informers"
)

// TestGatePacesAttempts has many waiters that never succeed: together they try about once a second.
func TestGatePacesAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		gate := informers.NewGate(clock.RealClock{})
		attempts := make(chan struct{}, 10_000)
		for range 100 {
			go func() {
				for gate.Await(ctx) == nil {
					attempts <- struct{}{}
				}
			}()
		}
		<-ctx.Done()
		synctest.Wait()
		if n := len(attempts); n < 45 || n > 76 {
			t.Errorf("%d attempts in a minute, want about one a second", n)
		}
	})
}

// TestGateOpens has many waiters, of which the first succeeds: all others try within half a second, and not all at once.
func TestGateOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := informers.NewGate(clock.RealClock{})
		began := time.Now()
		waits := make(chan time.Duration, 100)
		for range 100 {
			go func() {
				if err := gate.Await(t.Context()); err != nil {
					t.Error(err)
				}
				waits <- time.Since(began)
				gate.Open()
			}()
		}
		synctest.Wait()
		first := <-waits
		if first > 1200*time.Millisecond {
			t.Errorf("the first attempt was after %s", first)
		}
		seen := map[time.Duration]bool{}
		for range 99 {
			wait := <-waits
			seen[wait] = true
			if wait > first+400*time.Millisecond {
				t.Errorf("an attempt was %s after the first", wait-first)
			}
		}
		if len(seen) < 50 {
			t.Errorf("99 attempts were at %d different moments", len(seen))
		}
	})
}

func TestGateEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := informers.NewGate(clock.RealClock{}).Await(ctx); err == nil {
		t.Error("the wait ends without an error")
	}
}
