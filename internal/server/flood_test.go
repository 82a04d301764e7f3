// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/keyindex"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
	"github.com/apikey-operator/apikey-operator/internal/server"
)

// TestLengthyRandomKeysLeaveNothingBehind tries ten million keys that were not minted, each with a right checksum. Attempts must not be able to
// fill the memory: neither the index nor the limits nor the metrics may keep anything of a key that is not known. With the race detector it
// is a twentieth of the keys.
func TestLengthyRandomKeysLeaveNothingBehind(t *testing.T) {
	flood := 10_000_000
	if raceDetector {
		flood /= 20
	}
	registry := prometheus.NewRegistry()
	index, err := keyindex.New(keyindex.Options{Log: slog.New(slog.DiscardHandler), Clock: clock.RealClock{}, Registerer: registry})
	if err != nil {
		t.Fatal(err)
	}
	limiter, err := ratelimit.NewMemory(clock.RealClock{}, registry)
	if err != nil {
		t.Fatal(err)
	}
	used := &uses{}
	core, err := server.New(server.Options{
		Index: index, Limiter: limiter, Uses: used, Clock: clock.RealClock{}, Log: slog.New(slog.DiscardHandler), Registerer: registry,
	})
	if err != nil {
		t.Fatal(err)
	}
	try(t, core, 1<<32, flood/1000) // what is made once is made
	before := heap()
	var running sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for seed := range uint64(workers) { //nolint:gosec // G115: processors are few
		running.Go(func() { try(t, core, seed, flood/workers) })
	}
	running.Wait()
	if grown := heap() - before; grown > 1<<20 {
		t.Errorf("the heap has grown by %d KiB", grown>>10)
	}
	if limiter.Len() != 0 || len(used.all) != 0 {
		t.Errorf("%d limits and %d uses are kept", limiter.Len(), len(used.all))
	}
}

func try(t *testing.T, core *server.Verifier, seed uint64, count int) {
	generator := keys.Generator{Random: &fast{rand.New(rand.NewPCG(seed, 0))}} //nolint:gosec // G404: not secret, but many
	for range count {
		key, err := generator.New(v1alpha1.EnvironmentProduction)
		if err != nil {
			t.Error(err)

			return
		}
		if answer := core.Verify(t.Context(), request(key.Reveal())); answer.Reason != access.Unknown {
			t.Errorf("a key that nobody has minted is %s", answer.Reason)

			return
		}
	}
}

// heap is how many bytes are in use after a collection.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)

	return int64(m.HeapAlloc) //nolint:gosec // G115: less than 8 EiB
}

// fast is randomness that costs nearly nothing.
type fast struct{ *rand.Rand }

func (f *fast) Read(p []byte) (int, error) {
	for i := 0; i < len(p); i += 8 {
		n := f.Uint64()
		for j := i; j < min(i+8, len(p)); j++ {
			p[j] = byte(n)
			n >>= 8
		}
	}

	return len(p), nil
}
