// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/program"
	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
	"github.com/apikey-operator/apikey-operator/internal/server"
)

// memoryStore is the value of --rate-limit-store that keeps limits in the memory of each replica.
const memoryStore = "memory"

// Options are the command line of the verifier.
type Options struct {
	program.Common

	grpcAddress, httpAddress string
	certDir, clientCAFile    string
	selfSigned               bool
	rateLimitStore           string
	rateLimitStoreTimeout    time.Duration
	credentialHeaders        string
	lastUsedWrites           float64
	logAllowed, logRefused   uint64
	drainDelay, drainTimeout time.Duration
	maxConnections           int
	maxStaleness             time.Duration
	staleAction              string
}

// newFlagSet returns the flags that fill in options.
func newFlagSet(o *Options) *flag.FlagSet {
	fs := flag.NewFlagSet("verifier", flag.ContinueOnError)
	o.Bind(fs)
	o.bindGateways(fs)
	o.bindRateLimits(fs)
	o.bindStaleness(fs)
	fs.Float64Var(&o.lastUsedWrites, "last-used-writes", 10, "Writes of status.lastUsedAt per second at most, from 0.1 to 1000.")
	fs.Uint64Var(&o.logAllowed, "log-allowed", 0, "Log one of this many allowed requests, at level INFO; 1: all, 0: none.")
	fs.Uint64Var(&o.logRefused, "log-refused", 20,
		"Log this many refused requests per reason and second, at level INFO, and the number of the others in one line; 0: all.")
	fs.DurationVar(&o.drainDelay, "drain-delay", 5*time.Second,
		"After SIGTERM: how long requests are still taken while /readyz fails. Gateways need that long to notice.")
	fs.DurationVar(&o.drainTimeout, "drain-timeout", 15*time.Second,
		"After --drain-delay: how long requests that have begun, and the last writes, may take.")

	return fs
}

// bindGateways defines the flags about the connections of gateways.
func (o *Options) bindGateways(fs *flag.FlagSet) {
	const address = ": host:port, or unix:/path for a socket of mode 0660, which never uses TLS; 0 turns it off. " +
		"A port that is not on loopback needs --tls-cert-dir."
	fs.StringVar(&o.grpcAddress, "grpc-bind-address", "127.0.0.1:9001", "Address for Envoy's external authorization over gRPC"+address)
	fs.StringVar(&o.httpAddress, "http-bind-address", "127.0.0.1:9002", "Address for forward authentication over HTTP/1.1 and HTTP/2"+address)
	fs.StringVar(&o.certDir, "tls-cert-dir", "",
		"Folder with tls.crt and tls.key for gRPC and HTTP, reloaded when they change; empty: no TLS, which is allowed on loopback only.")
	fs.BoolVar(&o.selfSigned, "tls-self-signed", false, "Use a self-signed certificate for as long as --tls-cert-dir has none.")
	fs.StringVar(&o.clientCAFile, "client-ca-file", "",
		"PEM file of authorities: gateways must show a client certificate of one of them. Needs --tls-cert-dir.")
	fs.IntVar(&o.maxConnections, "max-connections", 1000,
		"Connections that each of the two ports keeps at most, from 10 to 100000. Beyond that the oldest connection without an answer "+
			"is closed, or else the connection whose last answer is the oldest.")
	fs.StringVar(&o.credentialHeaders, "credential-headers", "",
		"Headers that may carry a key besides Authorization and X-API-Key, separated by commas, such as api-key,x-goog-api-key. "+
			"Gateways that ask over HTTP must remove them from requests.")
}

// bindRateLimits defines the flags about the store of rate limits.
func (o *Options) bindRateLimits(fs *flag.FlagSet) {
	fs.StringVar(&o.rateLimitStore, "rate-limit-store", memoryStore,
		"Where rate limits are kept: memory, for each replica by itself, or the URL of a Valkey or Redis that replicas share: "+
			"redis://, rediss:// (TLS) or unix:// for one server, redis+cluster:// or rediss+cluster:// for a cluster, "+
			"redis+sentinel:// or rediss+sentinel:// for sentinels. RATE_LIMIT_STORE in the environment sets it too, "+
			"so that a password need not be on the command line.")
	fs.DurationVar(&o.rateLimitStoreTimeout, "rate-limit-store-timeout", ratelimit.DefaultTimeout,
		"How long a request waits for the store of rate limits at most, from 1ms to 5s. Set it to more than two round trips. "+
			"Without an answer the replica decides by itself.")
}

// Parse reads the command line. It answers --help itself and returns flag.ErrHelp then.
func Parse(args []string, help io.Writer) (Options, error) {
	var o Options
	if err := program.Parse(newFlagSet(&o), "Answers gateways whether a request with an API key may pass.", args, help); err != nil {
		return o, err
	}

	return o, errors.Join(
		plaintextOnlyOnLoopback("--grpc-bind-address", o.grpcAddress, o.certDir),
		plaintextOnlyOnLoopback("--http-bind-address", o.httpAddress, o.certDir),
		checkStoreTimeout(o.rateLimitStoreTimeout),
		o.checkStaleness(),
		o.check())
}

// checkStoreTimeout refuses a timeout that no store meets, and one that is longer than gateways wait.
func checkStoreTimeout(timeout time.Duration) error {
	if timeout < time.Millisecond || timeout > 5*time.Second {
		return fmt.Errorf("--rate-limit-store-timeout=%s: must be from 1ms to 5s", timeout)
	}

	return nil
}

// check returns an error if options contradict each other or are out of range.
func (o *Options) check() error {
	if err := o.checkRanges(); err != nil {
		return err
	}
	switch {
	case o.grpcAddress == program.Off && o.httpAddress == program.Off:
		return errors.New("--grpc-bind-address and --http-bind-address are both 0: then no gateway can ask")
	case o.clientCAFile != "" && o.certDir == "":
		return errors.New("--client-ca-file needs --tls-cert-dir: without TLS clients show no certificates")
	case o.selfSigned && o.certDir == "":
		return errors.New("--tls-self-signed needs --tls-cert-dir: the folder where a real certificate will be")
	default:
		_, err := o.credentials()

		return err
	}
}

// checkRanges returns the first number or time that is out of its range.
func (o *Options) checkRanges() error {
	switch {
	case !(o.lastUsedWrites >= 0.1 && o.lastUsedWrites <= 1000): // true for NaN
		return fmt.Errorf("--last-used-writes=%g: must be from 0.1 to 1000", o.lastUsedWrites)
	case o.drainDelay < 0 || o.drainTimeout <= 0:
		return fmt.Errorf("--drain-delay=%s --drain-timeout=%s: must not be negative, and the latter not 0", o.drainDelay, o.drainTimeout)
	case o.maxConnections < 10 || o.maxConnections > 100_000:
		return fmt.Errorf("--max-connections=%d: must be from 10 to 100000", o.maxConnections)
	default:
		return nil
	}
}

// credentials returns the headers that may carry a key.
func (o *Options) credentials() (*server.CredentialHeaders, error) {
	var more []string
	if o.credentialHeaders != "" {
		more = strings.Split(o.credentialHeaders, ",")
	}
	headers, err := server.NewCredentialHeaders(more...)
	if err != nil {
		return nil, fmt.Errorf("--credential-headers: %w", err)
	}

	return headers, nil
}

// plaintextOnlyOnLoopback refuses an address at which keys would cross a network in plaintext.
func plaintextOnlyOnLoopback(name, address, certDir string) error {
	switch {
	case address == program.Off:
		return nil
	case isUnix(address):
		return checkUnix(name, address)
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%s=%s: must be host:port, such as 127.0.0.1:9001 or :9001, or unix:/path: %w", name, address, err)
	}
	if ip, err := netip.ParseAddr(host); certDir != "" || host == "localhost" || err == nil && ip.IsLoopback() {
		return nil
	}

	return fmt.Errorf("%s=%s: API keys would cross the network in plaintext; set --tls-cert-dir, or listen on a loopback address such as 127.0.0.1",
		name, address)
}
