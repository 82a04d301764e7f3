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
	// seen are the delays until another client's watch had the change, and asked the times of the requests with keys that are revoked, in ms.
	seen, asked []float64
	took        time.Duration
	// loaded is how many requests were answered meanwhile.
	loaded int64
}

// measurePropagation revokes keys while the verifier is under load, and measures how soon it refuses them.
func (b *verifyBench) measurePropagation(ctx context.Context, verifier *program, capacity float64) error {
	n, rate := b.options.revoke, capacity*loadShare
	b.log.Printf("propagation: %d revocations at %.0f requests/s", n, rate)
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
		err = b.revokeWatched(running, connections[:revokers], &result)
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

// revokeWatched revokes keys while a watch of this program shows when the API server delivers each change.
func (b *verifyBench) revokeWatched(ctx context.Context, connections []*grpc.ClientConn, r *revocation) error {
	var arrivals sync.Map // the time of the first event that shows the revocation, by name
	p := &population{cluster: b.cluster, namespace: keysNamespace}
	changes, err := p.watchPhase(ctx, v1alpha1.PhaseRevoked, b.options.keys, func(key *v1alpha1.APIKey) {
		if key.Spec.Revoked {
			arrivals.LoadOrStore(key.Name, time.Now())
		}
	})
	if err != nil {
		return err
	}
	defer changes.stop()
	all, err := b.revokeAll(ctx, connections)
	if err != nil {
		return err
	}
	for i, one := range all {
		r.delays, r.asked = append(r.delays, milliseconds(one.delay)), append(r.asked, one.asked...)
		if at, ok := arrivals.Load(keyName(i)); ok {
			r.seen = append(r.seen, max(0, milliseconds(at.(time.Time).Sub(one.answered)))) //nolint:errcheck,forcetypeassert // stored above
		}
	}

	return nil
}

// revokeAll revokes keys, each connection one after the other, and then asks for every one again.
func (b *verifyBench) revokeAll(ctx context.Context, connections []*grpc.ClientConn) ([]refusalTimes, error) {
	all := make([]refusalTimes, b.options.revoke)
	err := inParallel(ctx, len(connections), len(connections), func(ctx context.Context, worker int) (err error) {
		check := b.newChecker(connections[worker])
		for i := worker; i < len(all); i += len(connections) {
			if all[i], err = b.revoke(ctx, check, i); err != nil {
				return fmt.Errorf("revoke key %d: %w", i, err)
			}
		}

		return nil
	})
	if err != nil {
		return nil, err
	}
	check := b.newChecker(connections[0])
	for i := range all {
		if err := mustBeRevoked(ctx, check, i); err != nil {
			return nil, err
		}
	}

	return all, nil
}

// refusalTimes are those of one revocation.
type refusalTimes struct {
	// answered is when the API server answered the revocation, and delay how long after that the first refusal came.
	answered time.Time
	delay    time.Duration
	// asked are how long the requests took until then, in ms.
	asked []float64
}

// revoke revokes a key, and asks until it is refused.
func (b *verifyBench) revoke(ctx context.Context, check checker, i int) (r refusalTimes, err error) {
	if err := mustPass(check)(ctx, i); err != nil { // a key that is refused already proves nothing; and this opens the connection
		return r, err
	}
	key := (&population{namespace: keysNamespace}).newKey(i)
	if err := b.client.Patch(ctx, key, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"revoked":true}}`))); err != nil {
		return r, err
	}
	r.answered = time.Now()
	for {
		begun := time.Now()
		reason, err := check(ctx, i)
		r.delay, r.asked = time.Since(r.answered), append(r.asked, milliseconds(time.Since(begun)))
		switch {
		case err != nil:
			return r, err
		case reason != "":
			for range again {
				if err := mustBeRevoked(ctx, check, i); err != nil {
					return r, err
				}
			}

			return r, nil
		case r.delay > propagationTimeout:
			return r, fmt.Errorf("it is still accepted after %s", propagationTimeout)
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
		{Key: "propagation.request_p50", Name: "  a request meanwhile, p50", Value: percentile(r.asked, 50), Note: fmt.Sprintf("of %d", len(r.asked))},
		{Key: "propagation.request_p99", Name: "  a request meanwhile, p99", Value: percentile(r.asked, 99)},
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
		"how much of it passes before any client knows. The delay ends with an answer, so it contains the time of one to two requests.",
		revokers, loadShare*100, again)
}
