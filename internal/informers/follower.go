// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package informers

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
)

// settleTime is how long a watch must stay open before it counts as up. client-go reports some failures as a watch that ends at once.
const settleTime = 300 * time.Millisecond

// errTakeOver ends the first attempt of a reflector, so that the follower takes over.
var errTakeOver = errors.New("the informer begins")

// errNotOpened stands for a watch that client-go returns in place of an error.
var errNotOpened = errors.New("the API server did not begin the watch")

// follower is the source of one informer. It hides from it that the API server does not answer.
type follower struct {
	source cache.ListerWatcherWithContext
	clock  clock.WithDelayedExecution
	gate   *Gate
	health *Health
	state  *watchState
	taken  atomic.Bool
	// openings counts what opens and breaks the watch, so that a late timer does not count.
	openings atomic.Uint64
	// unanswered is when an attempt was last not answered; nil: never.
	unanswered atomic.Pointer[time.Time]
}

// List implements cache.ListerWatcher.
func (f *follower) List(options metav1.ListOptions) (runtime.Object, error) {
	return f.ListWithContext(context.Background(), options)
}

// Watch implements cache.ListerWatcher.
func (f *follower) Watch(options metav1.ListOptions) (watch.Interface, error) {
	return f.WatchWithContext(context.Background(), options)
}

// ListWithContext implements cache.ListerWatcherWithContext.
func (f *follower) ListWithContext(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	return attempt(ctx, f, func() (runtime.Object, error) {
		list, err := f.source.ListWithContext(ctx, options)
		if err == nil {
			f.gate.Open()
		}

		return list, err
	})
}

// WatchWithContext implements cache.ListerWatcherWithContext.
func (f *follower) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	return attempt(ctx, f, func() (watch.Interface, error) {
		events, err := f.source.WatchWithContext(ctx, options)
		switch {
		case err != nil:
			return nil, err
		case reflect.TypeOf(events) == reflect.TypeOf(watch.NewEmptyWatch()):
			return nil, errNotOpened
		default:
			f.settle()

			return events, nil
		}
	})
}

// attempt calls try until the API server answers. The error that it returns is one that no reflector retries by itself.
func attempt[T any](ctx context.Context, f *follower, try func() (T, error)) (T, error) {
	var none T
	if !f.taken.Load() {
		return none, errTakeOver
	}
	for {
		result, err := try()
		if err == nil {
			return result, nil
		}
		f.broke(err)
		if answered(err) {
			f.gate.Open()

			return none, err
		}
		f.unanswered.Store(new(f.clock.Now()))
		if f.gate.Await(ctx) != nil {
			return none, ctx.Err()
		}
	}
}

// answered reports whether an error is the API server's decision about a request. All others mean that it, or its etcd, is not ready.
func answered(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	code := status.Status().Code

	return code >= http.StatusBadRequest && code < http.StatusInternalServerError && code != http.StatusTooManyRequests
}

// settle counts the watch as up once it has been open for settleTime.
func (f *follower) settle() {
	opening := f.openings.Add(1)
	f.clock.AfterFunc(settleTime, func() {
		if f.health.opened(f.state, func() bool { return f.openings.Load() == opening }) {
			f.gate.Open()
		}
	})
}

// broke notes that the watch has ended or could not be opened, and reports whether it was up.
func (f *follower) broke(err error) (wasUp bool) {
	f.openings.Add(1)

	return f.health.broke(f.state, err)
}

// Longest waits after refusals in a row, such as for a missing right or CRD. For a while after an outage the wait is shorter: an API server
// that has just started knows neither roles nor CRDs.
const (
	refusedWait  = 5 * time.Second
	startingWait = 400 * time.Millisecond
	startingTime = time.Minute
)

// longestRefusal returns the longest wait after refusals in a row.
func (f *follower) longestRefusal() time.Duration {
	if at := f.unanswered.Load(); at != nil && f.clock.Since(*at) < startingTime {
		return startingWait
	}

	return refusedWait
}

// run lists and watches until the context ends. It is the loop of cache.Reflector.RunWithContext with another back-off: a watch that was
// open is resumed at once, and refusals in a row wait up to longestRefusal.
func (f *follower) run(ctx context.Context, reflector *cache.Reflector, _ error) {
	f.taken.Store(true)
	refused := time.Duration(0)
	for ctx.Err() == nil {
		err := reflector.ListAndWatchWithContext(ctx)
		wasUp := f.broke(err)
		switch {
		case err != nil:
			refused = min(max(2*refused, 100*time.Millisecond), f.longestRefusal())
			err = f.gate.pause(ctx, refused+f.gate.spread(), nil)
		case wasUp:
			refused = 0
			err = f.gate.pause(ctx, f.gate.spread(), nil)
		default: // it ended at once, as when the API server does not answer
			err = f.gate.Await(ctx)
		}
		if err != nil {
			return
		}
	}
}
