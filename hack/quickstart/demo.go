// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// demoGrace is how long requests under way may take when the demo ends.
const demoGrace = 2 * time.Second

// demo is an API with a gateway before it, on loopback.
type demo struct {
	url     *url.URL // of the gateway, which is the way in
	servers []*http.Server
}

// startDemo starts the demo API and a gateway that asks the verifier.
func startDemo(ctx context.Context, say narrator, verifier *url.URL) (*demo, error) {
	d := new(demo)
	api, err := d.serve(ctx, http.HandlerFunc(echo))
	if err == nil {
		d.url, err = d.serve(ctx, newGateway(api, verifier))
	}
	if err != nil {
		return nil, errors.Join(err, d.stop(ctx))
	}
	say.held("a demo API is at %s, behind a gateway that asks the verifier", d.url)

	return d, nil
}

// serve starts a server on a free port and returns its URL.
func (d *demo) serve(ctx context.Context, handler http.Handler) (*url.URL, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the demo API: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	d.servers = append(d.servers, server)
	go func() { _ = server.Serve(listener) }() // until stop

	return &url.URL{Scheme: "http", Host: listener.Addr().String()}, nil
}

// stop ends the gateway, and then the API. That the context has ended is mostly why.
func (d *demo) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), demoGrace)
	defer cancel()
	var errs []error
	for _, server := range slices.Backward(d.servers) {
		if server.Shutdown(ctx) != nil { // somebody does not want to leave
			errs = append(errs, server.Close())
		}
	}

	return errors.Join(errs...)
}

// echo is the demo API: it answers with what it is told of the key. A credential must not get here; if one does, only
// its name is told.
func echo(w http.ResponseWriter, r *http.Request) {
	var told strings.Builder
	_, _ = fmt.Fprintf(&told, "%s %s\n", r.Method, r.URL.Path)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		switch {
		case isCredential(name):
			_, _ = fmt.Fprintf(&told, "%s: (is here, and should not be)\n", name)
		case isIdentity(name):
			_, _ = fmt.Fprintf(&told, "%s: %s\n", name, r.Header.Get(name))
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, told.String())
}
