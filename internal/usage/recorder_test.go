// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package usage_test

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	testclock "k8s.io/utils/clock/testing"

	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/usage"
)

// storedUntil is what the status of every key says, so that older uses have been written already.
const storedUntil = 1000

// settled are Subjects of that kind.
type settled struct{}

// Subject implements usage.Subjects.
func (settled) Subject(_, _, uid string) *access.Subject {
	return &access.Subject{UID: uid, LastUsedAt: storedUntil}
}

// newSettled makes a Recorder that never writes: its clock stands so that every use is old, and every status is recent.
func newSettled(tb testing.TB) *usage.Recorder {
	tb.Helper()
	r, err := usage.New(usage.Options{
		Subjects: settled{}, Clock: testclock.NewFakeClock(time.Unix(storedUntil/2, 0)),
		Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		tb.Fatal(err)
	}

	return r
}

func TestUseOfAnAPIKeyWithAnEntryDoesNotAllocate(t *testing.T) {
	r := newSettled(t)
	subject := &access.Subject{UID: "4d1bba1c-9b04-4a16-8b4e-0d0c9c9d2a3e", Namespace: "storefront", Name: "main-website"}
	now := time.Unix(1, 0)
	r.Used(subject, now)
	if allocations := testing.AllocsPerRun(1000, func() { now = now.Add(time.Second); r.Used(subject, now) }); allocations != 0 {
		t.Errorf("Used makes %v allocations, want none", allocations)
	}
}

func TestUsedKeepsTheNewestUse(t *testing.T) {
	r := newSettled(t)
	for _, at := range []int64{5, 9, 7} {
		r.Used(&access.Subject{UID: "a"}, time.Unix(at, 999_999_999))
	}
	if got := r.Newest("a"); got != 9 {
		t.Errorf("the newest use is at %d, want 9", got)
	}
}

func TestMetricsOfTwoRecordersDoNotFitOneRegistry(t *testing.T) {
	opts := usage.Options{Registerer: prometheus.NewRegistry()}
	if _, err := usage.New(opts); err != nil {
		t.Fatal(err)
	}
	if _, err := usage.New(opts); err == nil {
		t.Error("a second one was registered")
	}
}

func TestStateOfIdleKeysGoes(t *testing.T) {
	r := newSettled(t)
	r.Used(&access.Subject{UID: "idle"}, time.Unix(1, 0))
	r.Used(&access.Subject{UID: "busy"}, time.Unix(storedUntil/2, 0))
	r.Used(&access.Subject{UID: "pending"}, time.Unix(storedUntil+1, 0))
	r.WriteDue(t.Context()) // learns what has been written
	r.WriteDue(t.Context())
	got := map[string]bool{"idle": r.Newest("idle") != 0, "busy": r.Newest("busy") != 0, "pending": r.Newest("pending") != 0}
	if diff := cmp.Diff(map[string]bool{"idle": false, "busy": true, "pending": true}, got); diff != "" {
		t.Errorf("keys with state (-want +got):\n%s", diff)
	}
}

func TestNoUseIsLostWhileIdleKeysAreRetired(t *testing.T) {
	const rounds, keys, pending = 20, 1000, storedUntil + 1
	for range rounds {
		r := newSettled(t)
		record := func(at int64) {
			for k := range keys {
				r.Used(&access.Subject{UID: fmt.Sprint(k)}, time.Unix(at, 0))
			}
		}
		record(1)
		r.WriteDue(t.Context()) // learns what has been written
		var retiring sync.WaitGroup
		retiring.Go(func() { r.WriteDue(t.Context()) })
		record(pending)
		retiring.Wait()
		for k := range keys {
			if got := r.Newest(fmt.Sprint(k)); got != pending {
				t.Fatalf("the newest use of key %d is at %d, want %d", k, got, pending)
			}
		}
	}
}

func BenchmarkUsed(b *testing.B) {
	const keys = 10_000
	subjects := make([]*access.Subject, keys)
	for i := range subjects {
		subjects[i] = &access.Subject{
			UID: fmt.Sprintf("4d1bba1c-9b04-4a16-8b4e-%012d", i), Namespace: "storefront", Name: fmt.Sprintf("key-%d", i),
		}
	}
	now := time.Unix(1_700_000_000, 0)
	filled := func(b *testing.B) *usage.Recorder {
		r := newSettled(b)
		for _, s := range subjects {
			r.Used(s, now)
		}

		return r
	}
	b.Run("one key", func(b *testing.B) {
		r := filled(b)
		b.ReportAllocs()
		for b.Loop() {
			r.Used(subjects[0], now)
		}
	})
	b.Run("10000 keys", func(b *testing.B) {
		r := filled(b)
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			i = (i + 1) % keys
			r.Used(subjects[i], now)
		}
	})
	b.Run("one key, all processors, the second changes every 1000 uses", func(b *testing.B) {
		r := filled(b)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				r.Used(subjects[0], now.Add(time.Duration(i/1000)*time.Second))
			}
		})
	})
	b.Run("first use", func(b *testing.B) {
		r := newSettled(b)
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			i++
			r.Used(&access.Subject{UID: fmt.Sprint(i)}, now)
		}
	})
}
