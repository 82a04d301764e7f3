// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
)

// Pass is what Run does once a second.
func (r *Recorder) Pass(ctx context.Context) { r.pass(ctx) }

// Held is how many keys have state.
func (r *Recorder) Held() int { return r.entries.Size() }

// Newest is the newest use that is held of a key.
func (r *Recorder) Newest(uid types.UID) int64 {
	e, ok := r.entries.Load(uid)
	if !ok {
		return never
	}

	return e.newest.Load()
}
