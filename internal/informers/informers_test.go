// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package informers_test

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/internal/informers"
)

// source is an API server with one Secret. It answers with err, if there is one.
type source struct {
	mu      sync.Mutex
	err     error
	watches []*watch.FakeWatcher
}

// fails breaks the watch, and answers with an error from now on.
func (s *source) fails(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	s.watches[len(s.watches)-1].Stop()
}

// returns ends the errors.
func (s *source) returns() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = nil
}

func (s *source) list(context.Context, metav1.ListOptions) (runtime.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}

	return &corev1.SecretList{ListMeta: metav1.ListMeta{ResourceVersion: "7"}, Items: []corev1.Secret{
		{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "first", ResourceVersion: "7"}},
	}}, nil
}

func (s *source) watch(_ context.Context, options metav1.ListOptions) (watch.Interface, error) {
	if options.SendInitialEvents != nil { // an API server without streamed lists
		return nil, apierrors.NewBadRequest("sendInitialEvents is not known")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	w := watch.NewFake()
	s.watches = append(s.watches, w)

	return w, nil
}

// outageAfterOutage breaks the watch of an informer again and again for a minute, and returns the longest time until it was open again.
// Without this package it is more than half a minute.
func outageAfterOutage(t *testing.T, failure error) (longest time.Duration) {
	t.Helper()
	s := &source{}
	health := informers.NewHealth(clock.RealClock{}, slog.New(slog.DiscardHandler))
	informer := informers.NewFactory(informers.Options{
		Scheme: scheme.Scheme, Mapper: meta.NewDefaultRESTMapper(nil), Clock: clock.RealClock{}, Health: health,
	}).New(&cache.ListWatch{ListWithContextFunc: s.list, WatchFuncWithContext: s.watch}, &corev1.Secret{}, 0, cache.Indexers{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); informer.RunWithContext(ctx) }()
	defer func() { cancel(); <-ended }()
	await := func() time.Duration {
		began := time.Now()
		for synctest.Wait(); health.Check() != nil; synctest.Wait() {
			if time.Since(began) > 5*time.Minute {
				t.Fatal("the watch is not opened again")
			}
			<-clock.RealClock{}.After(10 * time.Millisecond) // the clock of synctest
		}

		return time.Since(began)
	}
	await()
	for range 6 {
		s.fails(failure)
		<-clock.RealClock{}.After(time.Minute) // the clock of synctest
		synctest.Wait()
		if health.Check() == nil {
			t.Error("the watch is broken, and its health does not say so")
		}
		if got := testutil.ToFloat64(onlyMetric{health}); got != 0 {
			t.Errorf("watch_up is %v during an outage", got)
		}
		s.returns()
		longest = max(longest, await())
	}
	if got := testutil.ToFloat64(onlyMetric{health}); got != 1 {
		t.Errorf("watch_up is %v after the outage", got)
	}

	return longest
}

// onlyMetric is a collector with one metric.
type onlyMetric struct{ prometheus.Collector }

func TestWatchesAreOpenedSoonAfterOutages(t *testing.T) {
	for name, failure := range map[string]error{
		"connection refused":   &url.Error{Op: "Get", URL: "https://127.0.0.1", Err: syscall.ECONNREFUSED},
		"connection reset":     &url.Error{Op: "Get", URL: "https://127.0.0.1", Err: syscall.ECONNRESET},
		"too many requests":    apierrors.NewTooManyRequests("wait", 1),
		"etcd does not answer": apierrors.NewInternalError(errors.New("etcdserver: request timed out")),
		"a time limit":         context.DeadlineExceeded,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if longest := outageAfterOutage(t, failure); longest > 2*time.Second {
					t.Errorf("a watch was opened %s after the end of the outage", longest)
				}
			})
		})
	}
}

// TestARefusedWatchIsRetriedSlowly: what the API server refuses is no outage, and is asked every few seconds.
func TestARefusedWatchIsRetriedSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refusal := apierrors.NewForbidden(corev1.Resource("secrets"), "", errors.New("no right"))
		if longest := outageAfterOutage(t, refusal); longest > 7*time.Second {
			t.Errorf("a watch was opened %s after it was allowed", longest)
		}
	})
}

func TestCheckNamesTheResource(t *testing.T) {
	health := informers.NewHealth(clock.RealClock{}, slog.New(slog.DiscardHandler))
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Secret"), meta.RESTScopeNamespace)
	informers.NewFactory(informers.Options{Scheme: scheme.Scheme, Mapper: mapper, Clock: clock.RealClock{}, Health: health}).
		New(&cache.ListWatch{}, &corev1.Secret{}, 0, cache.Indexers{})
	if err := health.Check(); err == nil || !strings.Contains(err.Error(), "secrets") {
		t.Errorf("the error of the check is %v", err)
	}
}
