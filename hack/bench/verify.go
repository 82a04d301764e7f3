// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// verifyOptions are the flags of bench verify.
type verifyOptions struct {
	program                          string
	keys, rounds, seconds            int
	connections, concurrency, revoke int
	memory                           bool
}

// verifyBench is one run of bench verify.
type verifyBench struct {
	*cluster

	options verifyOptions
	report  *report
	// keys are those of the cluster. Their plaintext is in this process alone.
	keys []string
	// account is the user of the verifier.
	account account
	// store is the URL of the store of rate limits; empty: the verifier keeps them in memory.
	store string
	// certificates is the folder of the certificate of both servers; empty: they speak HTTP without TLS.
	certificates string
}

// Which of its addresses a server answers at.
const (
	grpcAddress = iota
	httpAddress
	serverAddresses
)

// unixPrefix begins the address of a Unix socket.
const unixPrefix = "unix:"

// newVerify returns the command that measures the verifier.
func newVerify(hurry <-chan struct{}) *cobra.Command {
	var o verifyOptions
	short := "Measure gRPC, HTTP, Unix sockets, memory and propagation of the verifier"
	command := newCommand("verify", short, o.complaint, func(c *cobra.Command) error {
		b := &verifyBench{options: o, report: newReport("verify"), account: administrator()}

		return runBenchmark(c, hurry, b.report, &b.cluster, b.measure)
	})
	o.addFlags(command.Flags(), verifyOptions{keys: 20_000, seconds: 3, concurrency: 64})
	command.Flags().IntVar(&o.connections, "connections", 4, "how many gRPC connections the load comes over")
	command.Flags().IntVar(&o.revoke, "revocations", 2000, "how many keys to revoke under load, fewer than --keys; 0 skips propagation")
	command.Flags().BoolVar(&o.memory, "memory", true, "measure memory, which takes minutes of waiting for garbage collections")

	return command
}

// addFlags adds the flags that bench verify and bench gateway share, with the defaults in d.
func (o *verifyOptions) addFlags(flags *pflag.FlagSet, d verifyOptions) {
	flags.StringVar(&o.program, "verifier", builtProgram("verifier"), "`path` of the verifier")
	flags.IntVar(&o.keys, "keys", d.keys, "how many keys the cluster has")
	flags.IntVar(&o.rounds, "rounds", 5, "how many rounds of each measurement")
	flags.IntVar(&o.seconds, "seconds", d.seconds, "how long a round of load is, in seconds; 0 skips load and propagation")
	flags.IntVar(&o.concurrency, "concurrency", d.concurrency, "how many requests are under way at once; over HTTP each has a connection of its own")
}

// complaint returns what makes no sense in the options; empty: nothing.
func (o *verifyOptions) complaint() string {
	switch {
	case o.keys < 1 || o.keys > maxSeeds || o.seconds < 0 || o.revoke < 0:
		return "--keys must be from 1 to 1000000, and --seconds and --revocations must not be negative"
	case o.rounds < 1 || o.connections < 1 || o.concurrency < 1:
		return "--rounds, --connections and --concurrency must be at least 1"
	case o.revoke >= o.keys:
		return "--revocations must be fewer than --keys: the load needs keys that live"
	default:
		return ""
	}
}

// measure measures the verifier: first without keys, which the cluster gets then.
func (b *verifyBench) measure(ctx context.Context) (err error) {
	var empty, full memory
	if b.options.memory {
		if empty, err = b.verifierMemory(ctx, 0); err != nil {
			return fmt.Errorf("measure the memory of a verifier without keys: %w", err)
		}
	}
	b.log.Printf("writing %d APIKeys", b.options.keys)
	if b.keys, _, err = b.seedKeys(ctx, b.seeds()); err != nil {
		return fmt.Errorf("give the cluster keys: %w", err)
	}
	if b.options.memory {
		if full, err = b.verifierMemory(ctx, b.options.keys); err != nil {
			return fmt.Errorf("measure the memory of a verifier with keys: %w", err)
		}
		b.reportMemory(empty, full)
	}
	if b.options.seconds == 0 {
		return nil
	}

	return b.withVerifier(ctx, b.measureAnswers)
}

// withVerifier runs the verifier on TCP for as long as do takes.
func (b *verifyBench) withVerifier(ctx context.Context, do func(context.Context, *program) error) error {
	return b.withVerifierAt(ctx, "verifier", make([]string, serverAddresses), do)
}

// withSocketVerifier runs a second verifier, on Unix sockets.
func (b *verifyBench) withSocketVerifier(ctx context.Context, do func(context.Context, *program) error) error {
	sockets := make([]string, serverAddresses)
	for at, name := range map[int]string{grpcAddress: "grpc.sock", httpAddress: "http.sock"} {
		sockets[at] = unixPrefix + filepath.Join(b.plane.Folder(), name)
	}

	return b.withVerifierAt(ctx, "socket", sockets, do)
}

// withVerifierAt runs the verifier as an administrator, whose rights are not measured here, and with the memory limit of its Deployment.
func (b *verifyBench) withVerifierAt(ctx context.Context, name string, addresses []string, do func(context.Context, *program) error) error {
	kubeconfig, err := b.plane.Kubeconfig(b.account.name, b.account.groups...)
	if err != nil {
		return err
	}

	return b.withProgram(ctx, invocation{
		name: name, path: b.options.program, target: "build", addresses: addresses,
		environment: []string{"GOMEMLIMIT=" + strconv.Itoa(memoryLimit)},
		args: func(addresses []string) []string {
			return append(b.verifierArguments(addresses), "--kubeconfig="+kubeconfig, "--metrics-secure=false", "--log-allowed=0", "--drain-delay=0s")
		},
	}, do)
}

// withBaseline runs the servers that the verifier is compared with: this program, as another process of this name.
func (b *verifyBench) withBaseline(ctx context.Context, name string, do func(context.Context, *program) error) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}

	return b.withProgram(ctx, invocation{
		name: name, path: self, addresses: make([]string, serverAddresses),
		args: func(addresses []string) []string {
			return append([]string{baselineCommand}, b.bindArguments(addresses)...)
		},
	}, do)
}

// seeds says which keys the cluster has: those of the options.
func (b *verifyBench) seeds() seeds {
	return seeds{keys: b.options.keys, operator: administrator(), limited: limitedEach}
}

// verifierArguments are the arguments that the verifier has beside those of every run.
func (b *verifyBench) verifierArguments(addresses []string) []string {
	arguments := b.bindArguments(addresses)
	if b.store != "" {
		arguments = append(arguments, "--rate-limit-store="+b.store)
	}

	return arguments
}

// bindArguments say where both servers answer.
func (b *verifyBench) bindArguments(addresses []string) []string {
	arguments := []string{"--grpc-bind-address=" + addresses[grpcAddress], "--http-bind-address=" + addresses[httpAddress]}
	if b.certificates != "" {
		arguments = append(arguments, "--tls-cert-dir="+b.certificates)
	}

	return arguments
}

// loadTime returns the duration of a round of load.
func (o *verifyOptions) loadTime() time.Duration { return time.Duration(o.seconds) * time.Second }
