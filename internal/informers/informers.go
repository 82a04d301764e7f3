// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package informers

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// Options of a Factory. All fields are required.
type Options struct {
	// Scheme and Mapper give the resource of an object, which names its watch.
	Scheme *runtime.Scheme
	Mapper meta.RESTMapper
	// Clock tells the time.
	Clock interface {
		clock.WithTicker
		clock.WithDelayedExecution
	}
	// Health learns the state of each watch.
	Health *Health
}

// Factory makes informers that share one Gate.
type Factory struct {
	options Options
	gate    *Gate
}

// NewFactory returns a Factory.
func NewFactory(o Options) *Factory { return &Factory{options: o, gate: NewGate(o.Clock)} }

// New makes an informer, for cache.Options of controller-runtime.
func (f *Factory) New(
	source cache.ListerWatcher, example runtime.Object, resync time.Duration, indexers cache.Indexers,
) cache.SharedIndexInformer {
	follow := &follower{
		source: cache.ToListerWatcherWithContext(source), clock: f.options.Clock, gate: f.gate, health: f.options.Health,
		state: f.options.Health.add(f.resourceOf(example)),
	}
	informer := cache.NewSharedIndexInformer(follow, example, resync, indexers)
	utilruntime.Must(informer.SetWatchErrorHandlerWithContext(follow.run)) // fails only once the informer runs

	return informer
}

// resourceOf returns the plural name of the resource of an object.
func (f *Factory) resourceOf(object runtime.Object) string {
	kind, err := apiutil.GVKForObject(object, f.options.Scheme)
	if err != nil {
		return fmt.Sprintf("%T", object)
	}
	mapping, err := f.options.Mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return kind.Kind
	}

	return mapping.Resource.Resource
}
