// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package program

import (
	stdlog "log"
	"log/slog"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"
)

// Limits of the lines that a server logs about connections. Any client can cause such a line, for example by a failed handshake.
const (
	serverLinesPerSecond = 1
	serverLinesBurst     = 10
)

// ServerLog returns a log for http.Server.ErrorLog. It logs at most 1 line a second, after a burst of 10, and drops the others.
func ServerLog(log *slog.Logger, c clock.PassiveClock) *stdlog.Logger {
	return stdlog.New(&limitedWriter{log: log, clock: c, limit: rate.NewLimiter(serverLinesPerSecond, serverLinesBurst)}, "", 0)
}

// limitedWriter logs each text that is written to it as a warning, within a limit.
type limitedWriter struct {
	log   *slog.Logger
	clock clock.PassiveClock
	limit *rate.Limiter
}

// Write implements io.Writer.
func (w *limitedWriter) Write(text []byte) (int, error) {
	if w.limit.AllowN(w.clock.Now(), 1) {
		w.log.Warn(string(text))
	}

	return len(text), nil
}
