// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

const (
	// expiryLead, and so much more for each key, is how far ahead the expiry is: time to mint them all.
	expiryLead       = 15 * time.Second
	expiryLeadPerKey = 50 * time.Millisecond
	// expiryTimeout is how long after the expiry the operator may still be at it.
	expiryTimeout = 2 * time.Minute
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
	err = b.withOperator(ctx, b.options.launch, func(ctx context.Context, _ *program) error {
		at := metav1.NewTime(time.Now().Add(lead).Truncate(time.Second))
		b.log.printf("%d keys expire together in %s", n, lead)
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
