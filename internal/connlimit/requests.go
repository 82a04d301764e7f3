// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connlimit

import (
	"context"
	"errors"
)

// ErrBusy says that too many requests are under way.
var ErrBusy = errors.New("too many requests are under way")

// Begin notes that a request begins on a connection, and ends with the context. At the limit it closes the connection, of all
// with requests under way, whose last answer is the longest ago; if that is this one, it returns ErrBusy.
func (c *Conn) Begin(ctx context.Context) error {
	l := c.listener
	if l.requests.Add(1) > int64(l.options.Requests) {
		l.mu.Lock()
		victim := l.longestUnanswered(func(other *Conn) bool { return other.requests.Load() > 0 })
		l.mu.Unlock()
		if victim == nil || victim == c {
			l.requests.Add(-1)

			return ErrBusy
		}
		l.evict(victim)
	}
	c.requests.Add(1)
	context.AfterFunc(ctx, func() {
		c.requests.Add(-1)
		l.requests.Add(-1)
	})

	return nil
}

// UnderWay is how many requests are under way.
func (l *Listener) UnderWay() int { return int(l.requests.Load()) }
