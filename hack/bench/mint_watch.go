// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// progressEvery is how often a long wait prints how far it is.
const progressEvery = 5 * time.Second

// A phaseWatch sees APIKeys enter a phase, independently of the program that writes it.
type phaseWatch struct {
	population *population
	phase      v1alpha1.Phase
	want       int
	cancel     context.CancelFunc
	seen       atomic.Int64
	done       chan struct{}
	arrived    []time.Time // valid once done is closed
	err        error       // valid once done is closed
}

// watchPhase begins to wait until so many APIKeys have entered a phase. Changes before now do not count.
// each is called with every state of every APIKey; it may be nil.
func (p *population) watchPhase(
	ctx context.Context, phase v1alpha1.Phase, want int, each func(*v1alpha1.APIKey),
) (*phaseWatch, error) {
	now := &v1alpha1.APIKeyList{}
	if err := p.cluster.client.List(ctx, now, client.InNamespace(p.namespace), client.Limit(1)); err != nil {
		return nil, fmt.Errorf("find where to begin a watch: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	// The API server ends a watch once when the CRD has just been installed.
	stream, err := watchtools.NewRetryWatcherWithContext(ctx, now.ResourceVersion, &cache.ListWatch{
		WatchFuncWithContext: func(ctx context.Context, from metav1.ListOptions) (watch.Interface, error) {
			return p.cluster.client.Watch(ctx, &v1alpha1.APIKeyList{}, client.InNamespace(p.namespace), &client.ListOptions{Raw: &from})
		},
	})
	if err != nil {
		cancel()

		return nil, fmt.Errorf("watch APIKeys: %w", err)
	}
	w := &phaseWatch{population: p, phase: phase, want: want, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		defer stream.Stop()
		w.err = w.read(ctx, stream.ResultChan(), each)
	}()

	return w, nil
}

// read takes events until all APIKeys have been seen.
func (w *phaseWatch) read(ctx context.Context, events <-chan watch.Event, each func(*v1alpha1.APIKey)) error {
	seen := make(map[string]bool, w.want)
	for len(seen) < w.want {
		event, open := <-events // closed when the context ends
		now := time.Now()
		if !open {
			return context.Cause(ctx)
		}
		key, isKey := event.Object.(*v1alpha1.APIKey)
		if !isKey {
			return fmt.Errorf("watch APIKeys: %w", apierrors.FromObject(event.Object))
		}
		if each != nil {
			each(key)
		}
		if key.Status.Phase == w.phase && !seen[key.Name] {
			seen[key.Name] = true
			w.arrived = append(w.arrived, now)
			w.seen.Store(int64(len(seen)))
		}
	}

	return nil
}

// wait returns when each of the APIKeys entered the phase, first to last.
func (w *phaseWatch) wait(ctx context.Context) ([]time.Time, error) {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-w.done:
			return w.arrived, w.err
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d keys %s: %w", w.seen.Load(), w.want, w.phase, context.Cause(ctx))
		case <-tick.C:
			w.population.cluster.log.Printf("  %d of %d keys %s", w.seen.Load(), w.want, w.phase)
		}
	}
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

// stop ends the watch.
func (w *phaseWatch) stop() {
	w.cancel()
	<-w.done
}
