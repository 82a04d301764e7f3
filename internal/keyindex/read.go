// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// cadence is how often the API server is asked.
type cadence struct {
	// read is the time between two reads.
	read time.Duration
	// watch is how long a watch lasts. kube-apiserver sends a bookmark about 2 seconds before its end.
	watch time.Duration
}

// Times of a cadence. A read is confirmed after one watch at most, so the age of the knowledge stays below about 11 seconds, and
// below two thirds of a maximum of 10 seconds.
const (
	readEvery     = 3 * time.Second
	watchFor      = 6 * time.Second
	shortestWatch = 3 * time.Second // has a bookmark after 1 second
	// readTimeout is how long a read may take. While etcd hangs it takes that long.
	readTimeout = 3 * time.Second
	readJitter  = 0.2
	// openTimeout is how long the API server may take to begin a watch, and watchGrace to end it.
	openTimeout = 10 * time.Second
	watchGrace  = 5 * time.Second
)

// emptyNamespace is the namespace in which APIKeys are listed to read the resource version, unless the index follows certain namespaces
// only: these may be the only ones that it has a right to. It exists in every cluster and holds no APIKeys. A list of one namespace is
// consistent for the resource as a whole, and its cost does not grow with the number of APIKeys.
const emptyNamespace = "kube-node-lease"

// LeastMaxStaleness is the lowest maximum that a healthy API server does not exceed.
const LeastMaxStaleness = 10 * time.Second

// cadenceFor returns the cadence for a maximal staleness; 0: there is none.
func cadenceFor(maxStaleness time.Duration) cadence {
	c := cadence{read: readEvery, watch: watchFor}
	if maxStaleness > 0 {
		c.read = min(c.read, maxStaleness/10)
		c.watch = min(c.watch, max(shortestWatch, maxStaleness/3))
	}

	return c
}

// readAgainAndAgain reads until the context ends.
func (f *follower) readAgainAndAgain(ctx context.Context) {
	for {
		timer := f.clock.NewTimer(wait.Jitter(f.cadence.read, readJitter))
		select {
		case <-ctx.Done():
			timer.Stop()

			return
		case <-timer.C():
			f.read(ctx)
		}
	}
}

// read reads the current resource version from etcd.
func (f *follower) read(ctx context.Context) {
	began := f.clock.Now()
	var started read
	f.progress.update(func(fresh *freshness) { started = fresh.begin(began) })
	version, err := f.currentVersion(ctx)
	if ctx.Err() != nil {
		return
	}
	f.progress.update(func(fresh *freshness) {
		if err != nil {
			fresh.fail(f.clock.Now())
		} else {
			fresh.answer(started, version)
		}
	})
	f.logChange(err)
}

// logChange logs when the resource stops being followed, and when it is followed again. The error is that of the last read, if any.
func (f *follower) logChange(err error) {
	up, changed := f.progress.changed(f.clock.Now())
	switch {
	case !changed:
	case up:
		f.log.Info("The API server confirms that no change is missed.")
	default:
		f.log.Warn("Changes may be missed: the API server or its etcd does not answer, or the watch delivers nothing.", "error", err)
	}
}

// currentVersion lists at most one object, without its content, at the most recent resource version.
func (f *follower) currentVersion(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	var list metav1.PartialObjectMetadataList
	err := f.client.Get().
		NamespaceIfScoped(f.reads, f.reads != metav1.NamespaceAll).
		Resource(f.resource).
		VersionedParams(&metav1.ListOptions{Limit: 1}, metav1.ParameterCodec).
		SetHeader("Accept", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1").
		Timeout(readTimeout).
		Do(ctx).
		Into(&list)
	if err != nil {
		return 0, err
	}

	return parseVersion(list.ResourceVersion)
}
