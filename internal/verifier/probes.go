// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"fmt"
	"net/http"
	"sync/atomic"
)

// readiness says whether gateways can ask: the index has seen every APIKey, and the verifier is not about to stop.
type readiness struct{ atomic.Bool }

// probes returns the handler of /healthz and /readyz.
func (r *readiness) probes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !r.Load() {
			http.Error(w, "not ready: not every APIKey has been seen yet, or the verifier is about to stop", http.StatusServiceUnavailable)

			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	})

	return mux
}
