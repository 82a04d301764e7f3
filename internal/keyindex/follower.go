// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
)

// follower follows one resource: it is the source and the store of a reflector, and reads the resource version that the watch
// has to reach. See freshness.
type follower struct {
	*cache.ListWatch
	*store

	client   cache.Getter
	resource string
	reads    string // the namespace of the reads
	clock    clock.WithDelayedExecution
	log      *slog.Logger
	cadence  cadence
	progress *progress
	// initial is the watch that began with a list, until that list is complete.
	initial *endingWatch
}

func (x *Index) newFollower(client cache.Getter, p *progress) *follower {
	f := &follower{
		ListWatch: cache.NewListWatchFromClient(client, p.resource, p.namespace, fields.Everything()),
		client:    client, resource: p.resource, reads: p.namespace,
		clock: x.clock, log: x.log.With("resource", p.resource), cadence: cadenceFor(x.maxStaleness), progress: p,
	}
	if p.namespace != metav1.NamespaceAll {
		f.log = f.log.With("namespace", p.namespace)
	}
	if p.resource == rolesResource {
		f.store = x.apiKeyRoles()

		return f
	}
	f.store = x.apiKeys(p.namespace)
	if p.namespace == metav1.NamespaceAll {
		f.reads = emptyNamespace
	}

	return f
}

// WatchWithContext implements cache.ListerWatcherWithContext. Watches are short, because only the end of a watch makes
// kube-apiserver send a bookmark more often than once a minute.
func (f *follower) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	if options.ResourceVersion != "" && f.progress.rewound() {
		return nil, apierrors.NewResourceExpired("resource versions went back, as after a restore of etcd: everything is listed again")
	}
	events, err := f.open(ctx, options)
	if err != nil {
		f.progress.update(func(fresh *freshness) { fresh.fail(f.clock.Now()) })
		f.logChange(err)
	}

	return events, err
}

func (f *follower) open(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	if options.SendInitialEvents == nil || !*options.SendInitialEvents {
		return f.watchBriefly(ctx, options)
	}
	events, err := f.openOne(ctx, options) // a list, which may take long
	if err != nil {
		return nil, err
	}
	f.initial = events

	return events, nil
}

// openOne opens a watch, however long it lasts.
func (f *follower) openOne(ctx context.Context, options metav1.ListOptions) (*endingWatch, error) {
	events, err := f.ListWatch.WatchWithContext(ctx, options)
	switch {
	case err != nil:
		return nil, err
	case reflect.TypeOf(events) == reflect.TypeOf(watch.NewEmptyWatch()):
		return nil, errWatchNotOpened
	default:
		return newEnding(events), nil
	}
}

// watchBriefly opens a watch and ends it if the API server does not.
func (f *follower) watchBriefly(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	length := f.watchLength()
	options.TimeoutSeconds = new(int64(length / time.Second))
	opening, giveUp := context.WithCancelCause(ctx)
	timer := f.clock.AfterFunc(openTimeout, func() { giveUp(errWatchNotOpened) })
	events, err := f.openOne(opening, options)
	if !timer.Stop() && err == nil {
		events.Stop()
		err = errWatchNotOpened
	}
	if err != nil {
		giveUp(nil)

		return nil, err
	}
	f.clock.AfterFunc(length+watchGrace, func() { // a connection that is dead does not end
		events.Stop()
		giveUp(nil)
	})

	return events, nil
}

var errWatchNotOpened = errors.New("the API server did not begin the watch")

// watchLength returns how long the next watch lasts: shorter while the knowledge has to be confirmed.
func (f *follower) watchLength() time.Duration {
	if f.progress.up(f.clock.Now()) {
		return f.cadence.watch
	}

	return shortestWatch
}

// Replace implements cache.ReflectorStore.
func (f *follower) Replace(objects []any, version string) error {
	if err := f.store.Replace(objects, version); err != nil {
		return err
	}
	f.reach(version, (*freshness).restart)
	if initial := f.initial; initial != nil { // its bookmarks are a minute apart
		f.initial = nil
		f.clock.AfterFunc(f.cadence.watch, initial.Stop)
	}

	return nil
}

// UpdateResourceVersion implements cache.ResourceVersionUpdater: the store has everything up to this resource version.
func (f *follower) UpdateResourceVersion(version string) { f.reach(version, (*freshness).deliver) }

func (f *follower) reach(text string, take func(*freshness, uint64)) {
	version, err := parseVersion(text)
	if err != nil {
		f.log.Warn("The watch delivers no resource version that can be compared.", "error", err)

		return
	}
	f.progress.update(func(fresh *freshness) { take(fresh, version) })
	f.logChange(nil)
}
