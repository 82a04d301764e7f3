// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package progress prints what a program that runs for minutes is doing.
package progress

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Log prints lines, each with the time since the start of the program. It is safe for concurrent use.
type Log struct {
	started time.Time

	mu  sync.Mutex
	out io.Writer
}

// New returns a Log that counts the time from now on.
func New(out io.Writer) *Log { return &Log{started: time.Now(), out: out} }

// Printf prints a line. An error of the writer is ignored, because the program can go on without its progress.
func (l *Log) Printf(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = fmt.Fprintf(l.out, "[%6s] %s\n", time.Since(l.started).Truncate(time.Second), text)
}
