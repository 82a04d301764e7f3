// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"context"

	"k8s.io/client-go/rest"
)

// WriteDue does what Run does once a second.
func (r *Recorder) WriteDue(ctx context.Context) { r.writeDue(ctx) }

// Entries returns the number of APIKeys with an entry.
func (r *Recorder) Entries() int { return r.entries.Size() }

// Newest returns the newest use in the entry of an APIKey; 0: there is no entry.
func (r *Recorder) Newest(uid string) int64 {
	e, ok := r.entries.Load(uid)
	if !ok {
		return neverUsed
	}

	return e.newest.Load()
}

// NewStatusWriterOf makes a StatusWriter for another resource than APIKeys.
func NewStatusWriterOf(client rest.Interface, resource string) StatusWriter {
	return &restWriter{client: client, resource: resource}
}
