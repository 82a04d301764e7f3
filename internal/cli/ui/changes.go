// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

const (
	// changesInterval bounds how often a tab is told about changes.
	changesInterval = 500 * time.Millisecond
	// pulse is how often a tab hears from the server when nothing changes, so that both notice a broken connection.
	pulse = 20 * time.Second
	// maxNamed is how many changed keys a message names; beyond it everything may have changed.
	maxNamed = 20
)

// watcher is a tab that follows changes.
type watcher struct {
	signal  chan struct{}
	changed map[types.NamespacedName]struct{} // guarded by the fleet; a zero name: everything
}

// announce notes a change for every watcher; the zero name stands for all keys. The caller holds the lock.
func (f *fleet) announce(name types.NamespacedName) {
	for w := range f.watchers {
		if len(w.changed) <= maxNamed {
			w.changed[name] = struct{}{}
		}
		select {
		case w.signal <- struct{}{}:
		default: // a signal is on its way
		}
	}
}

// subscribe adds a watcher; the returned function removes it.
func (f *fleet) subscribe() (w *watcher, leave func()) {
	w = &watcher{signal: make(chan struct{}, 1), changed: map[types.NamespacedName]struct{}{}}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watchers[w] = struct{}{}

	return w, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.watchers, w)
	}
}

// drain returns the names of the changed keys and forgets them; "*" stands for all.
func (f *fleet) drain(w *watcher) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer clear(w.changed)
	names := make([]string, 0, len(w.changed))
	for name := range w.changed {
		if name.Name == "" || len(w.changed) > maxNamed {
			return "*"
		}
		names = append(names, name.String())
	}

	return strings.Join(names, " ")
}

// changes streams the names of changed keys as server-sent events. It says nothing about the keys; the tab reads its view again.
func (s *server) changes(w http.ResponseWriter, r *http.Request) error {
	stream := http.NewResponseController(w)
	watcher, leave := s.fleet.subscribe()
	defer leave()
	w.Header().Set("Content-Type", "text/event-stream")
	send := func(format string, args ...any) error {
		if err := stream.SetWriteDeadline(s.Service.Clock.Now().Add(writeTimeout)); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, format, args...); err != nil {
			return err
		}

		return stream.Flush()
	}
	ticker := s.Service.Clock.NewTicker(pulse)
	defer ticker.Stop()
	pause := s.Service.Clock.NewTicker(changesInterval)
	defer pause.Stop()
	err := send(": connected\n\n")
	for err == nil {
		select {
		case <-r.Context().Done():
			return nil
		case <-ticker.C():
			err = send(": still here\n\n")
		case <-watcher.signal:
			if names := s.fleet.drain(watcher); names != "" {
				err = send("data: %s\n\n", names)
			}
			select {
			case <-r.Context().Done():
				return nil
			case <-pause.C():
			}
		}
	}

	return nil // the tab has gone, and no answer can follow a stream
}
