// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex

import (
	"sync"

	"k8s.io/apimachinery/pkg/watch"
)

// endingWatch is a watch whose Stop looks to the reflector as if the API server had ended it, so that the next watch goes on from
// there. Without it, client-go reports the closed connection as an error now and then, and the reflector lists everything again.
type endingWatch struct {
	source watch.Interface
	events chan watch.Event
	done   chan struct{}
	once   sync.Once
}

func newEnding(source watch.Interface) *endingWatch {
	w := &endingWatch{source: source, events: make(chan watch.Event), done: make(chan struct{})}
	go w.forward()

	return w
}

// ResultChan implements watch.Interface.
func (w *endingWatch) ResultChan() <-chan watch.Event { return w.events }

// Stop implements watch.Interface.
func (w *endingWatch) Stop() {
	w.once.Do(func() {
		close(w.done) // before the source, whose error is then not forwarded
		w.source.Stop()
	})
}

func (w *endingWatch) forward() {
	defer close(w.events)
	for event := range w.source.ResultChan() {
		select {
		case <-w.done:
			return
		default:
		}
		select {
		case <-w.done:
			return
		case w.events <- event:
		}
	}
}
