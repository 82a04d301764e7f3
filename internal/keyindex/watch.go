// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// The resources that are followed, as paths and metrics name them.
const (
	apiKeysResource = "apikeys"
	rolesResource   = "apikeyroles"
)

// Waits before a watch that has failed is opened again. Jitter makes each up to half longer, so after an outage a revocation
// can be 1.1 seconds late, and 3 seconds more if an attempt hangs on a connection that swallows everything. A verifier sends about 2.4
// requests a second meanwhile. client-go's own longest wait is 60 seconds.
const (
	firstRetry  = 200 * time.Millisecond
	lastRetry   = 700 * time.Millisecond
	retryJitter = 0.5
)

// NewClient makes a client for Run.
func NewClient(cfg *rest.Config) (*rest.RESTClient, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(v1alpha1.AddToScheme(scheme), metav1.AddMetaToScheme(scheme)); err != nil {
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

// Run follows the APIKeys and APIKeyRoles until the context ends. The client is one of NewClient. While the API server is unreachable,
// the index stays as it is.
func (x *Index) Run(ctx context.Context, client cache.Getter) {
	var running sync.WaitGroup
	for _, p := range x.progress {
		f := x.newFollower(client, p)
		running.Go(func() { f.run(ctx) })
	}
	running.Wait()
}

// run fills the store and keeps confirming that it is complete.
func (f *follower) run(ctx context.Context) {
	f.read(ctx) // before the list, which then confirms it
	var reading sync.WaitGroup
	defer reading.Wait()
	reading.Go(func() { f.readAgainAndAgain(ctx) })
	log := logr.FromSlogHandler(f.log.Handler())
	cache.NewReflectorWithOptions(f, kindOf(f.resource), f, cache.ReflectorOptions{
		Logger: &log,
		Name:   f.resource,
		Backoff: &wait.Backoff{
			Duration: firstRetry, Cap: lastRetry, Factor: 2, Jitter: retryJitter, Steps: math.MaxInt32,
		},
	}).RunWithContext(ctx)
}

// kindOf returns an object of a resource.
func kindOf(resource string) runtime.Object {
	if resource == rolesResource {
		return &v1alpha1.APIKeyRole{}
	}

	return &v1alpha1.APIKey{}
}
