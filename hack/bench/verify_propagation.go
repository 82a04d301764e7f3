// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	xrate "golang.org/x/time/rate"
	"google.golang.org/grpc"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
)

const (
	// revokers is how many keys are revoked at once.
	revokers = 4
	// loadShare is which part of what the verifier can do it is asked for meanwhile.
	loadShare = 0.5
	// propagationTimeout is how long a revoked key may still be accepted before the benchmark gives up.
	propagationTimeout = 30 * time.Second
	// again is how many more requests come with a key that has been refused.
	again = 3
)

// revocation is the result of revoking keys under load.
type revocation struct {
	delays []float64 // in ms
	// seen are the delays until another client's watch had the change, in ms.
	seen []float64
	took time.Duration
	// loaded is how many requests were answered meanwhile.
	loaded int64
}

// measurePropagation revokes keys while the verifier is under load, and measures how soon it refuses them.
func (b *verifyBench) measurePropagation(ctx context.Context, verifier *program, capacity float64) error {
	n, rate := b.options.revoke, capacity*loadShare
	b.log.printf("propagation: %d revocations at %.0f requests/s", n, rate)
	ctx, cancel := withTimeout(ctx, mintTimeout(n), "revoking keys")
	defer cancel()
	connections, err := dial(verifier.addresses[grpcAddress], b.options.connections+revokers)
	if err != nil {
		return err
	}
	defer closeAll(connections)
	var result revocation
	var done atomic.Bool
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error {
		var err error
		result.loaded, err = b.load(running, connections[revokers:], rate, done.Load)

		return err
	})
	group.Go(func() error {
		defer done.Store(true)
		var err error
		begun := time.Now()
		result.delays, result.seen, err = b.revokeWatched(running, connections[:revokers])
		result.took = time.Since(begun)

		return err
	})
	if err := group.Wait(); err != nil {
		return err
	}
	b.reportPropagation(&result)

	return b.reportLoaded(ctx, verifier)
}

// load asks at a rate until it is done, with the keys that are not revoked, and returns how many answers there were.
func (b *verifyBench) load(ctx context.Context, connections []*grpc.ClientConn, rate float64, done func() bool) (int64, error) {
	var answered atomic.Int64
	pace, living := xrate.NewLimiter(xrate.Limit(rate), b.options.concurrency), len(b.keys)-b.options.revoke
	err := inParallel(ctx, b.options.concurrency, b.options.concurrency, func(ctx context.Context, worker int) error {
		ask := mustPass(b.newChecker(connections[worker%len(connections)]))
		for !done() {
			if err := pace.Wait(ctx); err != nil {
				return err
			}
			i := b.options.revoke + int(answered.Add(1))%living
			if err := ask(ctx, i); err != nil {
				return fmt.Errorf("ask meanwhile: %w", err)
			}
		}

		return nil
	})

	return answered.Load(), err
}

// revokeWatched revokes keys while a watch of this program shows when the API server delivers each change: the rest is the verifier's.
func (b *verifyBench) revokeWatched(ctx context.Context, connections []*grpc.ClientConn) (delays, seen []float64, err error) {
	var arrivals sync.Map // the time of the first event that shows the revocation, by name
	p := &population{cluster: b.cluster, namespace: keysNamespace}
	changes, err := p.watchPhase(ctx, v1alpha1.PhaseRevoked, b.options.keys, func(key *v1alpha1.APIKey) {
		if key.Spec.Revoked {
			arrivals.LoadOrStore(key.Name, time.Now())
		}
	})
	if err != nil {
		return nil, nil, err
	}
	defer changes.stop()
	answered := make([]time.Time, b.options.revoke)
	if delays, err = b.revokeAll(ctx, connections, answered); err != nil {
		return nil, nil, err
	}
	for i := range answered {
		if at, ok := arrivals.Load(keyName(i)); ok {
			seen = append(seen, max(0, milliseconds(at.(time.Time).Sub(answered[i])))) //nolint:errcheck,forcetypeassert // stored above
		}
	}

	return delays, seen, nil
}

// revokeAll revokes the first keys, some at once, and returns how long each was still accepted in ms. When all are revoked
// it asks for all of them once more.
func (b *verifyBench) revokeAll(ctx context.Context, connections []*grpc.ClientConn, answered []time.Time) ([]float64, error) {
	delays := make([]float64, b.options.revoke)
	err := inParallel(ctx, len(connections), len(connections), func(ctx context.Context, worker int) error {
		check := b.newChecker(connections[worker])
		for i := worker; i < len(delays); i += len(connections) {
			at, delay, err := b.revoke(ctx, check, i)
			if err != nil {
				return fmt.Errorf("revoke key %d: %w", i, err)
			}
			answered[i], delays[i] = at, milliseconds(delay)
		}

		return nil
	})
	if err != nil {
		return nil, err
	}
	check := b.newChecker(connections[0])
	for i := range delays {
		if err := mustBeRevoked(ctx, check, i); err != nil {
			return nil, err
		}
	}

	return delays, nil
}

// revoke revokes a key and returns when the API server answered, and how long after that the first refusal came.
func (b *verifyBench) revoke(ctx context.Context, check checker, i int) (answered time.Time, delay time.Duration, err error) {
	if err := mustPass(check)(ctx, i); err != nil { // a key that is refused already proves nothing; and this opens the connection
		return answered, 0, err
	}
	key := (&population{namespace: keysNamespace}).newKey(i)
	if err := b.client.Patch(ctx, key, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"revoked":true}}`))); err != nil {
		return answered, 0, err
	}
	answered = time.Now()
	for {
		reason, err := check(ctx, i)
		delay = time.Since(answered)
		switch {
		case err != nil:
			return answered, 0, err
		case reason != "":
			for range again {
				if err := mustBeRevoked(ctx, check, i); err != nil {
					return answered, 0, err
				}
			}

			return answered, delay, nil
		case delay > propagationTimeout:
			return answered, 0, fmt.Errorf("it is still accepted after %s", propagationTimeout)
		}
	}
}

// mustBeRevoked fails unless a key is refused because it is revoked.
func mustBeRevoked(ctx context.Context, check checker, i int) error {
	reason, err := check(ctx, i)
	if err == nil && reason != access.Revoked.String() {
		err = fmt.Errorf("key %d was revoked, and then the answer is %q", i, reason)
	}

	return err
}

func (b *verifyBench) reportPropagation(r *revocation) {
	note := fmt.Sprintf("%d revocations, %.0f a second", len(r.delays), float64(len(r.delays))/r.took.Seconds())
	atWatcher := fmt.Sprintf("of %d that arrived before the refusals were over", len(r.seen))
	for _, f := range []figure{
		{Key: "propagation.p50", Name: "revoked to refused, p50", Value: percentile(r.delays, 50), Note: note},
		{Key: "propagation.p99", Name: "revoked to refused, p99", Value: percentile(r.delays, 99), Aim: &aim{atMost, 50}},
		{Key: "propagation.max", Name: "revoked to refused, max", Value: percentile(r.delays, 100), Aim: &aim{atMost, 1000}},
		{Key: "propagation.watch_p50", Name: "  revoked to another client's watch, p50", Value: percentile(r.seen, 50), Note: atWatcher},
		{Key: "propagation.watch_p99", Name: "  revoked to another client's watch, p99", Value: percentile(r.seen, 99)},
	} {
		f.Unit = "ms"
		b.report.add(f)
	}
	b.report.add(figure{
		Key: "propagation.load", Name: "  gRPC requests meanwhile", Value: float64(r.loaded) / r.took.Seconds(), Unit: "1/s",
	})
	b.report.explain("Revoked to refused: from the API server's answer to a patch of spec.revoked to the first answer that refuses the key, asked\n"+
		"without a pause; %d keys at once, while others are used at %.0f %% of what the verifier was measured to do. Once refused,\n"+
		"a key is never accepted again: each is asked for %d times more at once, and once more at the end. The watch of another client shows\n"+
		"how much of it passes before any client knows.", revokers, loadShare*100, again)
}
