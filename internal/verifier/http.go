// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync/atomic"

	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/internal/certs"
	"github.com/apikey-operator/apikey-operator/internal/connlimit"
	"github.com/apikey-operator/apikey-operator/internal/program"
	"github.com/apikey-operator/apikey-operator/internal/server/forwardauth"
)

// newHTTPServer makes the server for every other gateway, over HTTP/1.1 and HTTP/2, the latter also without TLS.
func (c *components) newHTTPServer(listener *connlimit.Listener, source *certs.Source) *gatewayServer {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	var draining atomic.Bool
	handler := forwardauth.New(c.core)
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			// The answer does not wait for a body: net/http would read an announced body before it sends the answer, or
			// afterwards to keep the connection.
			if draining.Load() || r.ContentLength != 0 && r.ProtoMajor == 1 {
				w.Header()["Connection"] = []string{"close"}
			}
			handler.ServeHTTP(w, r)
		}),
		Protocols:         protocols,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerConnection: window, MaxReceiveBufferPerStream: window},
		MaxHeaderBytes:    maxHeaders,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      requestTimeout,
		IdleTimeout:       idleTimeout,
		ConnState:         connlimit.NoteState,
		ErrorLog:          program.ServerLog(c.log, clock.RealClock{}),
	}
	var listening net.Listener = listener
	if source != nil {
		s.TLSConfig = source.Config("h2", "http/1.1")
		listening = tls.NewListener(listener, s.TLSConfig)
	}

	return &gatewayServer{
		serve: func() error {
			if err := s.Serve(listening); !errors.Is(err, http.ErrServerClosed) {
				return err
			}

			return nil
		},
		// Not SetKeepAlivesEnabled: it closes idle connections on which a request may be under way.
		drain: func() { draining.Store(true) },
		stop: func(ctx context.Context) {
			if s.Shutdown(ctx) != nil {
				_ = s.Close() // cuts off the requests that have not ended
			}
		},
	}
}
