// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"

	"github.com/apikey-operator/apikey-operator/internal/server"
)

// baselineCommand is the command by which a benchmark starts the baseline as a child.
const baselineCommand = "baseline"

// headerTimeout is how long a client may take to send the headers of a request.
const headerTimeout = 10 * time.Second

// baselineOptions are the flags of bench baseline, named as those of the verifier.
type baselineOptions struct{ grpc, http, metrics, probes, certificates string }

// newBaseline returns the command that allows every request and looks at none: with the libraries of the verifier and without its code.
func newBaseline() *cobra.Command {
	var o baselineOptions
	command := newCommand(baselineCommand, "Let every request pass", func() string { return "" }, func(c *cobra.Command) error {
		return o.run(c.Context())
	})
	command.Hidden = true
	flags := command.Flags()
	flags.StringVar(&o.grpc, "grpc-bind-address", "127.0.0.1:9001", "`address` of envoy.service.auth.v3")
	flags.StringVar(&o.http, "http-bind-address", "127.0.0.1:9002", "`address` that answers 200")
	flags.StringVar(&o.metrics, "metrics-bind-address", "127.0.0.1:8080", "`address` of /metrics")
	flags.StringVar(&o.probes, "health-probe-bind-address", "127.0.0.1:8081", "`address` of /readyz")
	flags.StringVar(&o.certificates, "tls-cert-dir", "", "`folder` with tls.crt and tls.key for the address that answers 200; empty: no TLS")

	return command
}

// run answers until the context ends.
func (o *baselineOptions) run(ctx context.Context) error {
	answer := newOKHandler()
	group, ctx := errgroup.WithContext(ctx)
	for _, serve := range []struct {
		address string
		serve   func(context.Context, net.Listener) error
	}{
		{o.grpc, serveGRPC},
		{o.http, func(ctx context.Context, at net.Listener) error { return serveHTTP(ctx, at, answer, o.certificates) }},
		{o.metrics, func(ctx context.Context, at net.Listener) error { return serveHTTP(ctx, at, promhttp.Handler(), "") }},
		// The last: when it answers, the others listen already.
		{o.probes, func(ctx context.Context, at net.Listener) error { return serveHTTP(ctx, at, answer, "") }},
	} {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", serve.address)
		if err != nil {
			return fmt.Errorf("listen at %s: %w", serve.address, err) // the process ends, and with it the others
		}
		group.Go(func() error { return serve.serve(ctx, listener) })
	}

	return group.Wait()
}

func serveGRPC(ctx context.Context, listener net.Listener) error {
	s := grpc.NewServer()
	authv3.RegisterAuthorizationServer(s, allowAll{})
	context.AfterFunc(ctx, s.Stop)

	return s.Serve(listener)
}

// serveHTTP answers until the context ends, over TLS where there is a folder with certificates.
func serveHTTP(ctx context.Context, listener net.Listener, handler http.Handler, certificates string) (err error) {
	s := &http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout}
	context.AfterFunc(ctx, func() { _ = s.Close() })
	if certificates == "" {
		err = s.Serve(listener)
	} else {
		err = s.ServeTLS(listener, filepath.Join(certificates, "tls.crt"), filepath.Join(certificates, "tls.key"))
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}

	return err
}

// headersPath is where the baseline answers with as many headers as the verifier, to show the cost of the headers alone.
const headersPath = "/with-headers"

// okHandler answers 200 to every request.
type okHandler struct{ headers http.Header }

// newOKHandler returns a handler whose headers are those of an allowed request, with values of a usual length.
func newOKHandler() okHandler {
	y := okHandler{headers: http.Header{}}
	values := [...]string{"ungWv48Bz-pB", "main-website", "storefront", "Production", "customers:read,telemetry:write", "", ""}
	for i, name := range server.IdentityNames() {
		y.headers.Set(name, values[i])
	}
	y.headers.Set(server.HeaderCacheControl, server.NoStore)

	return y
}

// ServeHTTP implements http.Handler.
func (y okHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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
