// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
)

// withStore runs a Valkey or Redis in which the verifier keeps the limits of rates, for as long as do takes.
func (b *gatewayBench) withStore(ctx context.Context, do func(context.Context, *program) error) error {
	path, err := storeProgram()
	if err != nil {
		return err
	}
	socket := filepath.Join(b.plane.Folder(), "store.sock")
	b.store = "unix://" + socket
	b.log.Printf("the limits of rates are in %s", filepath.Base(path))
	how := invocation{name: "store", path: path, target: "build", args: func([]string) []string {
		return []string{"--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", b.plane.Folder()}
	}}

	return b.runProgram(ctx, &program{}, how, func(ctx context.Context) error { return pong(ctx, socket) }, do)
}

// storeProgram finds the server of a store.
func storeProgram() (path string, err error) {
	for _, name := range []string{"valkey-server", "redis-server"} {
		if path, err = exec.LookPath(name); err == nil {
			return path, nil
		}
	}

	return "", fmt.Errorf("--store needs valkey-server or redis-server: %w", err)
}

// pong returns nil if a store answers.
func pong(ctx context.Context, socket string) error {
	connection, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close() }()
	if _, err := io.WriteString(connection, "PING\r\n"); err != nil {
		return err
	}
	answer := make([]byte, len("+PONG\r\n"))
	if _, err := io.ReadFull(connection, answer); err != nil {
		return err
	}
	if !strings.HasPrefix(string(answer), "+PONG") {
		return errors.New("the store does not answer to PING")
	}

	return nil
}

// reportStore reports which part of the requests the store has counted. The verifier decides by itself where it does not answer in time.
func (b *gatewayBench) reportStore(ctx context.Context, verifier *program) error {
	found, err := verifier.families(ctx)
	if err != nil {
		return err
	}
	asked := 0.0
	for _, m := range found["apikey_verifier_rate_limit_store_duration_seconds"].GetMetric() {
		asked += float64(m.GetHistogram().GetSampleCount())
	}
	alone := found.sum("apikey_verifier_rate_limit_fallback_total")
	b.report.add(figure{
		Key: "gateway.store_share", Name: "requests whose limit the store has counted", Value: max(0, asked-alone) / max(asked, 1),
		Aim: &aim{atLeast, 0.99}, Note: fmt.Sprintf("asked %.0f times, of which %.0f in vain", asked, alone),
	})

	return nil
}
