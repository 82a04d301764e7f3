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
	// askEvery is how often an APIKey is read that is waited for.
	askEvery = 10 * time.Millisecond
	// askTimeout is how long it may take.
	askTimeout = 2 * time.Minute
)

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
	err = b.withOperator(ctx, b.options.launch, func(ctx context.Context, _ *program) error {
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
	b.log.printf("one namespace creates %d keys, another asks for one at a time", n)
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

// over reports whether all APIKeys have entered the phase.
func (w *phaseWatch) over() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
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
