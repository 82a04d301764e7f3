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
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/server"
)

// verifyTimeout is how long the verifier may take to answer: it takes well under a millisecond.
const verifyTimeout = 5 * time.Second

// needs returns the requirements of the endpoints of the demo API, as queries of the verifier's URL.
// Other paths are not served.
func needs() map[string]string {
	return map[string]string{
		"/customers": "environment=Production&permission=customers:read",
		"/admin":     "environment=Production&permission=admin:write",
		"/staging":   "environment=Staging&permission=customers:read",
	}
}

// gateway stands before the demo API, as nginx, Caddy or Envoy would: it asks the verifier about every request. Only
// the answer 200 lets one through.
type gateway struct {
	api      *url.URL
	verifier *url.URL
	client   *http.Client
}

// newGateway makes a gateway before an API.
func newGateway(api, verifier *url.URL) *gateway {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

	return &gateway{api: api, verifier: verifier, client: &http.Client{Timeout: verifyTimeout, CheckRedirect: stay}}
}

// ServeHTTP implements http.Handler.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	needed, listed := needs()[r.URL.EscapedPath()]
	if !listed {
		http.NotFound(w, r)

		return
	}
	verdict, err := g.ask(r, needed)
	if err != nil { // without an answer no request passes
		http.Error(w, "the gateway cannot reach the verifier", http.StatusServiceUnavailable)

		return
	}
	defer func() { _ = verdict.Body.Close() }()
	switch {
	case verdict.StatusCode == http.StatusOK:
		g.pass(w, r, verdict.Header)
	case verdict.StatusCode < http.StatusBadRequest:
		http.Error(w, fmt.Sprintf("the gateway does not know what the verifier means by %s", verdict.Status), http.StatusBadGateway)
	default:
		verdict.Header.Del("Connection") // is about the connection to the verifier
		maps.Copy(w.Header(), verdict.Header)
		w.WriteHeader(verdict.StatusCode)
		_, _ = io.Copy(w, verdict.Body)
	}
}

// ask sends the verifier the credentials of a request, with what looks like them, and for its log what it was about.
func (g *gateway) ask(r *http.Request, needed string) (*http.Response, error) {
	question := g.verifier.JoinPath("verify")
	question.RawQuery = needed
	ask, err := http.NewRequestWithContext(r.Context(), http.MethodGet, question.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	for name, values := range r.Header {
		if isCredential(name) {
			ask.Header[name] = values
		}
	}
	ask.Header.Set("X-Forwarded-Method", r.Method)
	ask.Header.Set("X-Forwarded-Host", r.Host)
	ask.Header.Set("X-Forwarded-Uri", r.URL.RequestURI())

	return g.client.Do(ask)
}

// pass lets a request through to the API, without its credential, and with what the verifier says of the key.
func (g *gateway) pass(w http.ResponseWriter, r *http.Request, verdict http.Header) {
	for _, name := range []string{"Ratelimit", "Ratelimit-Policy"} {
		if left, limited := verdict[name]; limited {
			w.Header()[name] = left
		}
	}
	proxy := httputil.ReverseProxy{
		// Here headers that the client has listed in Connection, to have them taken off, are off already.
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(g.api)
			maps.DeleteFunc(p.Out.Header, func(name string, _ []string) bool { return isCredential(name) || isIdentity(name) })
			for _, name := range server.IdentityNames() {
				p.Out.Header.Set(name, verdict.Get(name))
			}
		},
	}
	proxy.ServeHTTP(w, r)
}

// kindOf returns the kind of a header by the rules of the verifier, which also know the spellings that some servers map to its own headers.
func kindOf(name string) server.Kind {
	headers, err := server.NewCredentialHeaders()
	if err != nil {
		panic(err) // the headers that are known without configuration are always valid
	}
	kind, _ := headers.Kind(name)

	return kind
}

// isCredential reports whether a header carries a key, or some server could read it as one that does.
func isCredential(name string) bool {
	kind := kindOf(name)

	return kind == server.Carrier || kind == server.CarrierLookAlike
}

// isIdentity reports whether a header is one that only the verifier may set, or some server could read it as one.
func isIdentity(name string) bool { return kindOf(name) == server.ClientIdentity }

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
		if server.Shutdown(ctx) != nil { // requests are still under way
			errs = append(errs, server.Close())
		}
	}

	return errors.Join(errs...)
}

// echo is the demo API: it answers with the identity headers. A credential must not arrive here; of one that does, echo prints the name alone.
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
