// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"sync/atomic"
	"time"
)

// pacer spreads requests evenly over time, whoever sends them.
type pacer struct {
	start    time.Time
	interval time.Duration
	given    atomic.Int64
}

// newPacer makes a pacer for so many requests a second, more than 0.
func newPacer(start time.Time, perSecond float64) *pacer {
	return &pacer{start: start, interval: time.Duration(float64(time.Second) / perSecond)}
}

// next is when the next request is due. Times that have passed do not get lost: whoever is late sends at once.
func (p *pacer) next() time.Time {
	return p.start.Add(time.Duration(p.given.Add(1)-1) * p.interval)
}
