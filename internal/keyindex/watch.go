// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// watches is how many there are: APIKeys and APIKeyRoles.
const watches = 2

// Waits before an API server that does not answer is asked again. The longest one is how late a revocation can be after
// an outage; client-go's own is a minute.
const (
	firstRetry = 200 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// Run follows the APIKeys and APIKeyRoles until the context ends. The client is one for the group and version of this
// project. While the API server cannot be reached, the index stays as it is.
func (x *Index) Run(ctx context.Context, client cache.Getter) {
	var running sync.WaitGroup
	running.Go(func() { x.follow(ctx, client, "apikeys", &v1alpha1.APIKey{}, x.apiKeyStore()) })
	running.Go(func() { x.follow(ctx, client, "apikeyroles", &v1alpha1.APIKeyRole{}, x.roleStore()) })
	running.Wait()
}

func (x *Index) follow(ctx context.Context, client cache.Getter, resource string, kind runtime.Object, into *store) {
	log := logr.FromSlogHandler(x.log.Handler())
	source := &reported{
		ListWatch: cache.NewListWatchFromClient(client, resource, metav1.NamespaceAll, fields.Everything()),
		up:        x.metrics.watchUp.WithLabelValues(resource),
	}
	cache.NewReflectorWithOptions(source, kind, into, cache.ReflectorOptions{
		Logger: &log,
		Name:   resource,
		Backoff: &wait.Backoff{
			Duration: firstRetry, Cap: lastRetry, Factor: 2, Jitter: 0.5, Steps: math.MaxInt32,
		},
	}).RunWithContext(ctx)
}

// reported is a source of objects that says whether it could be reached the last time.
type reported struct {
	*cache.ListWatch

	up prometheus.Gauge
}

// ListWithContext implements cache.ListerWatcherWithContext.
func (r *reported) ListWithContext(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	list, err := r.ListWatch.ListWithContext(ctx, options)
	r.report(err)

	return list, err
}

// WatchWithContext implements cache.ListerWatcherWithContext.
func (r *reported) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	events, err := r.ListWatch.WatchWithContext(ctx, options)
	r.report(err)

	return events, err
}

func (r *reported) report(err error) {
	if err != nil {
		r.up.Set(0)

		return
	}
	r.up.Set(1)
}
