// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/connlimit"
)

// Options of the page.
type Options struct {
	// Service acts for the user.
	Service operations.Service
	// Namespace is the namespace whose keys are shown; empty: those of all namespaces.
	Namespace string
	// HomeNamespace is what a form proposes as the namespace.
	HomeNamespace string
	// User is the name of the user, and Cluster that of the cluster, as the header shows them; each may be empty.
	User, Cluster string
	// ReadOnly leaves out every route that writes.
	ReadOnly bool
	// Port of the listener; 0: any free one.
	Port int
	// Ready receives the address to open, with the token, once the server answers.
	Ready func(address string)
}

// Limits of the server. A page of one person needs far less.
const (
	maxConnections = 64
	maxHeaderBytes = 16 << 10
	maxQueryBytes  = 2 << 10
	maxBodyBytes   = 64 << 10

	headerTimeout     = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 60 * time.Second // longer than the page waits for the operator
	viewTimeout       = 40 * time.Second // for all that a view asks of the cluster
	connectionTimeout = 2 * time.Minute
	shutdownTimeout   = 2 * time.Second

	// idleTimeout ends the server when no request came for this long. Live updates do not count: a forgotten tab would keep it up.
	idleTimeout  = time.Hour
	idleInterval = 15 * time.Second
)

// ErrIdle is what Serve returns after an hour without a request.
var ErrIdle = errors.New("no request came for an hour")

// server is one run of the page.
type server struct {
	Options

	host     string // of the listener, with the port
	session  *session
	views    map[string]*template.Template
	fleet    *fleet
	tickets  tickets
	checks   chan struct{} // holds one element for each form that is being judged
	lastUsed atomic.Int64  // when the last request came, in nanoseconds since 1970
}

// Serve serves the page until the context ends or nobody has used it for an hour, when it returns ErrIdle.
func Serve(ctx context.Context, o Options) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(o.Port)))
	if err != nil {
		return fmt.Errorf("listen on loopback: %w; choose another --port", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s, err := newServer(o, listener.Addr().String())
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	following := make(chan struct{})
	go func() { defer close(following); s.fleet.follow(ctx) }()
	go s.stopWhenIdle(ctx, cancel)
	served := s.serve(ctx, listener)
	o.Ready("http://" + s.host + "/enter#" + s.session.token)
	err = <-served
	cancel(nil)
	<-following
	if cause := context.Cause(ctx); cause != nil && (err == nil || errors.Is(err, http.ErrServerClosed)) {
		return cause
	}

	return err
}

func newServer(o Options, host string) (*server, error) {
	views, err := parseViews()
	if err != nil {
		return nil, err
	}
	s := &server{
		Options: o, host: host, session: newSession(host), views: views, fleet: newFleet(o.Service, o.Namespace), checks: make(chan struct{}, maxChecks),
	}
	s.touch()

	return s, nil
}

// serve answers requests until the context ends. It closes what is open then: live updates never end by themselves.
func (s *server) serve(ctx context.Context, listener net.Listener) <-chan error {
	bounded := connlimit.Listen(listener, connlimit.Options{
		Connections: maxConnections, Requests: maxConnections, Clock: s.Service.Clock,
		Evicted: prometheus.NewCounter(prometheus.CounterOpts{Name: "evicted"}),
	})
	h := &http.Server{
		Handler: s.handler(), ErrorLog: discardLog(), MaxHeaderBytes: maxHeaderBytes, ConnState: connlimit.NoteState,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: connectionTimeout,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	done := make(chan error, 1)
	go func() {
		stop := context.AfterFunc(ctx, func() {
			ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
			defer cancel()
			if h.Shutdown(ending) != nil {
				_ = h.Close() // what is still open has had its time
			}
		})
		defer stop()
		done <- h.Serve(bounded)
	}()

	return done
}

// touch notes that a request has come.
func (s *server) touch() { s.lastUsed.Store(s.Service.Clock.Now().UnixNano()) }

// stopWhenIdle ends the server when no request has come for long.
func (s *server) stopWhenIdle(ctx context.Context, stop context.CancelCauseFunc) {
	ticker := s.Service.Clock.NewTicker(idleInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
			if s.Service.Clock.Now().Sub(time.Unix(0, s.lastUsed.Load())) >= idleTimeout {
				stop(ErrIdle)

				return
			}
		}
	}
}
