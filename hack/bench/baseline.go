// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"

	"github.com/apikey-operator/apikey-operator/internal/server"
)

// baselineCommand starts the baseline; bench verify gives it to this program as a child.
const baselineCommand = "baseline"

// headerTimeout is how long a client may take to send the headers of a request.
const headerTimeout = 10 * time.Second

// baselineOptions are the flags of bench baseline, named as those of the verifier.
type baselineOptions struct{ grpc, http, metrics, probes, certificates string }

// runBaseline answers every question as one that allows everything and looks at nothing: with the libraries of the verifier
// and none of its code. It ends with the context.
func runBaseline(ctx context.Context, _ <-chan struct{}, args []string, stdout, stderr io.Writer) error {
	var o baselineOptions
	flags := flag.NewFlagSet(baselineCommand, flag.ContinueOnError)
	flags.StringVar(&o.grpc, "grpc-bind-address", "127.0.0.1:9001", "`address` of envoy.service.auth.v3")
	flags.StringVar(&o.http, "http-bind-address", "127.0.0.1:9002", "`address` that answers 200")
	flags.StringVar(&o.metrics, "metrics-bind-address", "127.0.0.1:8080", "`address` of /metrics")
	flags.StringVar(&o.probes, "health-probe-bind-address", "127.0.0.1:8081", "`address` of /readyz")
	flags.StringVar(&o.certificates, "tls-cert-dir", "", "`folder` with tls.crt and tls.key for the address that answers 200; empty: no TLS")
	if err := parseFlags(flags, args, stdout, stderr, nil); err != nil {
		return err
	}
	listeners, err := listenAll(ctx, o.grpc, o.http, o.metrics, o.probes)
	if err != nil {
		return err
	}
	answer := newYes()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return serveGRPC(ctx, listeners[0]) })
	group.Go(func() error { return serveHTTP(ctx, listeners[1], answer, o.certificates) })
	group.Go(func() error { return serveHTTP(ctx, listeners[2], promhttp.Handler(), "") })
	group.Go(func() error { return serveHTTP(ctx, listeners[3], answer, "") })

	return group.Wait()
}

// listenAll opens all addresses, before any of them answers: whoever is told that the baseline is ready asks at the others.
func listenAll(ctx context.Context, addresses ...string) ([]net.Listener, error) {
	var listeners []net.Listener
	for _, address := range addresses {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err != nil {
			return nil, fmt.Errorf("listen at %s: %w", address, err) // the process ends, and with it the others
		}
		listeners = append(listeners, listener)
	}

	return listeners, nil
}

func serveGRPC(ctx context.Context, listener net.Listener) error {
	s := grpc.NewServer()
	authv3.RegisterAuthorizationServer(s, allowAll{})
	context.AfterFunc(ctx, s.Stop)

	return s.Serve(listener)
}

// serveHTTP answers until the context ends, over TLS where there is a folder with certificates.
func serveHTTP(ctx context.Context, listener net.Listener, handler http.Handler, certificates string) error {
	s := &http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout}
	context.AfterFunc(ctx, func() { _ = s.Close() })
	var err error
	if certificates == "" {
		err = s.Serve(listener)
	} else {
		err = s.ServeTLS(listener, filepath.Join(certificates, "tls.crt"), filepath.Join(certificates, "tls.key"))
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return err
	}

	return nil
}

// headersPath is where the baseline answers with as many headers as the verifier, so that one sees what they take by themselves.
const headersPath = "/with-headers"

// yes answers 200 to everybody.
type yes struct{ headers http.Header }

// newYes makes a handler whose headers are those of an allowed request, with values as long as most are.
func newYes() yes {
	y := yes{headers: http.Header{}}
	values := [...]string{"ungWv48Bz-pB", "main-website", "storefront", "Production", "customers:read,telemetry:write", "", ""}
	for i, name := range server.IdentityNames() {
		y.headers.Set(name, values[i])
	}
	y.headers.Set(server.HeaderCacheControl, server.NoStore)

	return y
}

// ServeHTTP implements http.Handler.
func (y yes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == headersPath {
		maps.Copy(w.Header(), y.headers)
	}
	w.WriteHeader(http.StatusOK)
}

// allowAll is an authorization service that lets every request pass as it is.
type allowAll struct {
	authv3.UnimplementedAuthorizationServer
}

// Check implements authv3.AuthorizationServer.
func (allowAll) Check(context.Context, *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	return &authv3.CheckResponse{
		Status:       &statuspb.Status{},
		HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{}},
	}, nil
}
