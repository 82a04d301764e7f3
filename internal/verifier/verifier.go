// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package verifier wires the verifier together: its command line, the components, the servers for gateways, and the order in which
// they start and end.
//
// The verifier watches two kinds and patches one through client-go's REST client and reflectors, without controller-runtime's cache
// and client. That part links 508 packages. Certificates that are replaced while it runs make it 874 (certwatcher and
// k8s.io/apiserver's dynamiccertificates), and the filter that authorizes scrapes 1,070: 60 MB without symbols, where it was 942
// packages and 53 MB with controller-runtime's client and open metrics (2026-11-26). The filter is worth that: it is the one of the
// operator, so there is one implementation of who may scrape.
package verifier

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"google.golang.org/grpc/grpclog"
)

// Run runs the verifier until the context ends, and then until the requests and writes that have begun are finished. It sets the
// pace of the garbage collector and the log of gRPC for the whole process, so a process calls it once.
func Run(ctx context.Context, o Options, log *slog.Logger) error {
	defer runtime.KeepAlive(setCollector())
	setGRPCLog(log)

	return serve(ctx, o, log)
}

// serve is Run without what concerns the whole process, so that a test can run several verifiers.
func serve(ctx context.Context, o Options, log *slog.Logger) error {
	registry := prometheus.NewRegistry()
	if err := errors.Join(
		registry.Register(collectors.NewGoCollector()),
		registry.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})),
		registry.Register(collectors.NewBuildInfoCollector())); err != nil {
		return err
	}
	c, err := newComponents(o, log, registry) //nolint:contextcheck // what it starts ends with Close, later than this context
	if err != nil {
		return err
	}

	return c.run(ctx)
}

// setGRPCLog makes gRPC write its errors to this log, without anything that may be a key: they may quote what a client has sent.
func setGRPCLog(log *slog.Logger) {
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, slog.NewLogLogger(log.Handler(), slog.LevelError).Writer()))
}
