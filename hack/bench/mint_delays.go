// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

const (
	// expiryLead, and expiryLeadPerKey for each key, is the time to the expiry: enough to mint them all.
	expiryLead       = 15 * time.Second
	expiryLeadPerKey = 50 * time.Millisecond
	// expiryTimeout is how long the operator may take after the expiry.
	expiryTimeout = 2 * time.Minute
	// askEvery is how often the benchmark reads an APIKey that it waits for.
	askEvery = 10 * time.Millisecond
	// askTimeout is how long the benchmark waits for one.
	askTimeout = 2 * time.Minute
)

// measureExpiry lets keys expire in the same second and measures how late the operator says so.
func (b *mintBench) measureExpiry(ctx context.Context) error {
	n := b.options.expiring
	lead := expiryLead + time.Duration(n)*expiryLeadPerKey
	ctx, cancel := withTimeout(ctx, lead+expiryTimeout+restTimeout, "expiry")
	defer cancel()
	p, err := b.newPopulation(ctx, "expiry", b.options.workers)
	if err != nil {
		return err
	}
	err = b.withOperator(ctx, func(ctx context.Context, _ *program) error {
		at := metav1.NewTime(time.Now().Add(lead).Truncate(time.Second))
		b.log.Printf("%d keys expire together in %s", n, lead)
		if err := b.mintUntil(ctx, p, at, n); err != nil {
			return err
		}

		return b.expire(ctx, p, at.Time, n)
	})
	if err != nil {
		return err
	}
	restarted, _, err := b.countRestart(ctx, 0)
	if err != nil {
		return err
	}
	b.reportCalls("expiry.restart_writes", "writes after a restart, expired keys", &aim{exactly, 0}, restarted.only(onKeys, isWrite))

	return p.remove(ctx)
}

// mintUntil lets the operator mint keys that expire all at one time, and fails when it is not done by then.
func (b *mintBench) mintUntil(ctx context.Context, p *population, at metav1.Time, n int) error {
	ctx, cancel := context.WithDeadlineCause(ctx, at.Time,
		fmt.Errorf("the keys expired before all were minted: too slow a machine for --expiring %d", n))
	defer cancel()
	active, err := p.watchPhase(ctx, v1alpha1.PhaseActive, n, nil)
	if err != nil {
		return err
	}
	defer active.stop()
	if _, err := p.create(ctx, n, func(key *v1alpha1.APIKey) { key.Spec.ExpiresAt = &at }); err != nil {
		return err
	}
	_, err = active.wait(ctx)

	return err
}

// expire sees the keys turn Expired.
func (b *mintBench) expire(ctx context.Context, p *population, at time.Time, n int) error {
	before, err := b.quietRequests(ctx)
	if err != nil {
		return err
	}
	expired, err := p.watchPhase(ctx, v1alpha1.PhaseExpired, n, nil)
	if err != nil {
		return err
	}
	defer expired.stop()
	arrived, err := expired.wait(ctx)
	if err != nil {
		return err
	}
	late := make([]float64, 0, n)
	for _, t := range arrived {
		late = append(late, float64(t.Sub(at))/float64(time.Millisecond))
	}
	b.reportLateness(late)
	after, err := b.quietRequests(ctx)
	if err != nil {
		return err
	}
	spent := after.calls.since(before.calls).only(onKeys, isSingle)
	b.report.add(figure{
		Key: "expiry.calls_per_key", Name: "API calls per expiry", Value: float64(spent.count()) / float64(n), Unit: "calls/key",
		Aim: &aim{exactly, 2}, Note: spent.String(),
	})

	return nil
}

func (b *mintBench) reportLateness(late []float64) {
	for _, p := range []struct {
		key, name string
		percent   float64
		aim       *aim
	}{
		{"first", "expiry lateness, first", 0, &aim{atLeast, 0}}, // early would be wrong
		{"p50", "expiry lateness, p50", 50, nil},
		{"p99", "expiry lateness, p99", 99, nil},
		{"last", "expiry lateness, last", 100, nil},
	} {
		b.report.add(figure{Key: "expiry." + p.key, Name: p.name, Value: percentile(late, p.percent), Unit: "ms", Aim: p.aim})
	}
	b.report.explain("Expiry: %d keys have the same spec.expiresAt; lateness is from then until a watcher sees status.phase Expired.", len(late))
}

// measureFairness measures how long one namespace waits for its keys while another creates many at once, and how long a
// rotation takes in the namespace that is busy.
func (b *mintBench) measureFairness(ctx context.Context) error {
	n := b.options.crowd
	ctx, cancel := withTimeout(ctx, 3*mintTimeout(n), "fairness")
	defer cancel()
	busy, err := b.newPopulation(ctx, "busy", b.options.workers)
	if err != nil {
		return err
	}
	quiet, err := b.newPopulation(ctx, "quiet", 1)
	if err != nil {
		return err
	}
	err = b.withOperator(ctx, func(ctx context.Context, _ *program) error {
		return b.crowd(ctx, busy, quiet, n)
	})
	if err != nil {
		return err
	}
	if err := quiet.remove(ctx); err != nil {
		return err
	}

	return busy.remove(ctx)
}

// crowd creates n keys in the busy namespace and asks for one after the other in the quiet one until all of those are Active.
func (b *mintBench) crowd(ctx context.Context, busy, quiet *population, n int) error {
	leaked := busy.newKey(n) // a key that was handed out before the crowd came
	if _, err := b.mintOne(ctx, leaked); err != nil {
		return err
	}
	active, err := busy.watchPhase(ctx, v1alpha1.PhaseActive, n, nil)
	if err != nil {
		return err
	}
	defer active.stop()
	b.log.Printf("one namespace creates %d keys, another asks for one at a time", n)
	began := time.Now()
	created := make(chan error, 1)
	go func() {
		_, err := busy.create(ctx, n, nil)
		created <- err
	}()
	var firstKeys, rotations []float64
	for i := 0; !active.over(); i++ {
		took, err := b.mintOne(ctx, quiet.newKey(i))
		if err != nil {
			return err
		}
		firstKeys = append(firstKeys, took.Seconds()*1000)
		if took, err = b.rotateOne(ctx, leaked, fmt.Sprint(i)); err != nil {
			return err
		}
		rotations = append(rotations, took.Seconds()*1000)
	}
	if err := <-created; err != nil {
		return err
	}
	if _, err := active.wait(ctx); err != nil {
		return err
	}
	b.reportFairness(firstKeys, rotations, float64(n)/time.Since(began).Seconds())

	return nil
}

// mintOne creates an APIKey and returns how long it took to become Active.
func (b *mintBench) mintOne(ctx context.Context, key *v1alpha1.APIKey) (time.Duration, error) {
	began := time.Now()
	if err := b.client.Create(ctx, key); err != nil {
		return 0, err
	}

	return b.ask(ctx, began, key, func(k *v1alpha1.APIKey) bool { return k.Status.Phase == v1alpha1.PhaseActive })
}

// rotateOne asks for a rotation and returns how long it took.
func (b *mintBench) rotateOne(ctx context.Context, key *v1alpha1.APIKey, value string) (time.Duration, error) {
	began := time.Now()
	before := key.DeepCopy()
	metav1.SetMetaDataAnnotation(&key.ObjectMeta, v1alpha1.RotateAnnotation, value)
	if err := b.client.Patch(ctx, key, client.MergeFrom(before)); err != nil {
		return 0, err
	}

	return b.ask(ctx, began, key, func(k *v1alpha1.APIKey) bool { return k.Status.LastRotation.Value == value })
}

// ask reads an APIKey until it is as wanted, and returns how long that took from a time on.
func (b *mintBench) ask(ctx context.Context, began time.Time, key *v1alpha1.APIKey, wanted func(*v1alpha1.APIKey) bool) (time.Duration, error) {
	err := wait.PollUntilContextTimeout(ctx, askEvery, askTimeout, true, func(ctx context.Context) (bool, error) {
		err := b.client.Get(ctx, client.ObjectKeyFromObject(key), key)

		return err == nil && wanted(key), err
	})

	return time.Since(began), err
}

func (b *mintBench) reportFairness(firstKeys, rotations []float64, rate float64) {
	b.report.add(figure{
		Key: "fair.first_key_p99", Name: "p99 until a key is Active in a quiet namespace", Value: percentile(firstKeys, 99), Unit: "ms",
		Aim: &aim{atMost, 1000}, Note: fmt.Sprintf("median %.0f ms of %d", percentile(firstKeys, 50), len(firstKeys)),
	})
	b.report.add(figure{
		Key: "fair.rotation_p99", Name: "p99 of a rotation in the busy namespace", Value: percentile(rotations, 99), Unit: "ms",
		Aim: &aim{atMost, 1000}, Note: fmt.Sprintf("median %.0f ms of %d", percentile(rotations, 50), len(rotations)),
	})
	b.report.add(figure{Key: "fair.rate", Name: "keys of the busy namespace meanwhile, with their creation", Value: rate, Unit: "keys/s"})
	b.report.explain("Fairness: one namespace creates %d APIKeys with %d requests at once; meanwhile another creates one after the other, and a key\n"+
		"of the first that was handed out before is rotated again and again.", b.options.crowd, b.options.workers)
}
