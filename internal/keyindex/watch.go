// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// watches is how many there are: APIKeys and APIKeyRoles.
const watches = 2

// The resources that are followed, as paths and metrics name them.
const (
	apiKeysResource = "apikeys"
	rolesResource   = "apikeyroles"
)

// Waits before an API server that does not answer is asked again; client-go's own longest is a minute. With the jitter below, the
// longest is half as long again, 7.5 s: that is how late a revocation can be after an outage, plus the time of the list.
const (
	firstRetry = 200 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// NewClient makes a client for Run.
func NewClient(cfg *rest.Config) (*rest.RESTClient, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	cfg = rest.CopyConfig(cfg)
	cfg.GroupVersion, cfg.APIPath = &v1alpha1.GroupVersion, "/apis"
	cfg.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	client, err := rest.RESTClientFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster at %s: %w", cfg.Host, err)
	}

	return client, nil
}

// Run follows the APIKeys and APIKeyRoles until the context ends. The client is one of NewClient. While the API server cannot be reached, the index stays as it is.
func (x *Index) Run(ctx context.Context, client cache.Getter) {
	var running sync.WaitGroup
	running.Go(func() { x.follow(ctx, client, apiKeysResource, &v1alpha1.APIKey{}, x.APIKeys()) })
	running.Go(func() { x.follow(ctx, client, rolesResource, &v1alpha1.APIKeyRole{}, x.Roles()) })
	running.Wait()
}

func (x *Index) follow(ctx context.Context, client cache.Getter, resource string, kind runtime.Object, into cache.ReflectorStore) {
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

// reported is a source of objects that says whether it is being followed.
type reported struct {
	*cache.ListWatch

	up prometheus.Gauge
}

// WatchWithContext implements cache.ListerWatcherWithContext. When a watch ends, the next one is asked for at once, so
// what is said about it holds until then.
func (r *reported) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	events, err := r.ListWatch.WatchWithContext(ctx, options)
	if err != nil || isEmpty(events) {
		r.up.Set(0)
	} else {
		r.up.Set(1)
	}

	return events, err
}

// isEmpty says whether this is what client-go makes of an API server that hangs up: a watch that has ended already.
func isEmpty(events watch.Interface) bool {
	return reflect.TypeOf(events) == reflect.TypeOf(watch.NewEmptyWatch())
}
