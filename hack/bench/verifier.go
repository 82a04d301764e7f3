// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	dto "github.com/prometheus/client_model/go"
)

// Which of its addresses a server answers at.
const (
	grpcAddress = iota
	httpAddress
	serverAddresses
)

// unixPrefix begins the address of a Unix socket.
const unixPrefix = "unix:"

// withVerifier runs the verifier on TCP for as long as do takes.
func (b *verifyBench) withVerifier(ctx context.Context, do func(context.Context, *program) error) error {
	return b.withVerifierAt(ctx, invocation{name: "verifier", ports: serverAddresses}, do)
}

// withSocketVerifier runs a second verifier, on Unix sockets.
func (b *verifyBench) withSocketVerifier(ctx context.Context, do func(context.Context, *program) error) error {
	sockets := make([]string, serverAddresses)
	for at, name := range map[int]string{grpcAddress: "grpc.sock", httpAddress: "http.sock"} {
		sockets[at] = unixPrefix + filepath.Join(b.plane.Folder(), name)
	}

	return b.withVerifierAt(ctx, invocation{name: "socket", addresses: sockets}, do)
}

// withVerifierAt runs the verifier as an administrator: its rights are not measured here.
func (b *verifyBench) withVerifierAt(ctx context.Context, how invocation, do func(context.Context, *program) error) error {
	kubeconfig, err := b.plane.Kubeconfig("bench", "system:masters")
	if err != nil {
		return err
	}
	how.path, how.target = b.options.program, "bench-verify"
	how.args = func(addresses []string) []string {
		return append(b.bindArguments(addresses),
			"--kubeconfig="+kubeconfig, "--metrics-secure=false", "--log-allowed=0", "--drain-delay=0s")
	}

	return b.withProgram(ctx, how, do)
}

// withBaseline runs the servers that the verifier is compared with: this program, as another process.
func (b *verifyBench) withBaseline(ctx context.Context, do func(context.Context, *program) error) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}

	return b.withProgram(ctx, invocation{
		name: "baseline", path: self, target: "bench-verify", ports: serverAddresses,
		args: func(addresses []string) []string {
			return append([]string{baselineCommand}, b.bindArguments(addresses)...)
		},
	}, do)
}

// bindArguments say where both servers answer.
func (b *verifyBench) bindArguments(addresses []string) []string {
	arguments := []string{"--grpc-bind-address=" + addresses[grpcAddress], "--http-bind-address=" + addresses[httpAddress]}
	if b.certificates != "" {
		arguments = append(arguments, "--tls-cert-dir="+b.certificates)
	}

	return arguments
}

// verifierMemory is what the verifier holds when it knows so many keys and nobody has asked it anything.
func (b *verifyBench) verifierMemory(ctx context.Context, n int) (memory, error) {
	b.log.printf("memory of the verifier with %d keys (until a garbage collection has passed, up to 3 minutes)", n)
	ctx, cancel := withTimeout(ctx, startTimeout+memoryTimeout, "waiting for steady memory")
	defer cancel()
	var settled memory
	err := b.withVerifier(ctx, func(ctx context.Context, p *program) error {
		var err error
		settled, err = b.settledMemory(ctx, p, func(families map[string]*dto.MetricFamily) bool {
			return int(sample(families, "apikey_verifier_index_keys")) == n
		})

		return err
	})

	return settled, err
}

func (b *verifyBench) reportMemory(empty, full memory) {
	n := b.options.keys
	for _, f := range memoryFigures(empty, full, n, &aim{atMost, 1.5}) {
		b.report.add(f)
	}
	b.report.add(figure{
		Key: "memory.total_per_key", Name: "resident memory / keys", Value: full.resident / float64(n) / kibi, Unit: "KiB",
		Note: "with what the verifier takes without keys",
	})
	b.report.explain("Memory: the verifier is started afresh and asked nothing; memory is read once it knows all keys, a garbage collection\n"+
		"has passed since, and %d readings a second apart are within %.0f %%.", steadyReadings, steadySpread*100)
}

// reportLoaded reports what the verifier holds after load: also when each key was last used, and the buckets of rate limits.
func (b *verifyBench) reportLoaded(ctx context.Context, verifier *program) error {
	families, err := verifier.families(ctx)
	if err != nil {
		return err
	}
	now, err := verifier.memory(families)
	if err != nil {
		return err
	}
	b.report.add(figure{
		Key: "memory.loaded", Name: "resident memory after all load", Value: now.resident / mebi, Unit: "MiB",
		Note: "with the last use of each key, and the buckets of rate limits",
	})

	return nil
}
