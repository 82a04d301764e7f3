// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	_ "sigs.k8s.io/controller-runtime/pkg/client/config" // adds --kubeconfig to flag.CommandLine

	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
	"github.com/apikey-operator/apikey-operator/internal/server"
)

// memoryStore is the value of --rate-limit-store that keeps limits in the memory of each replica.
const memoryStore = "memory"

// options are the command line.
type options struct {
	grpcAddress, httpAddress     string
	metricsAddress, probeAddress string
	certDir, clientCAFile        string
	selfSigned                   bool
	rateLimitStore               string
	rateLimitStoreTimeout        time.Duration
	credentialHeaders            string
	lastUsedWrites               float64
	logAllowed, logRefused       uint64
	logLevel                     slog.Level
	drainDelay, drainTimeout     time.Duration
	maxConnections               int
}

// flagSet is the command line that fills in options.
func flagSet(o *options) *flag.FlagSet {
	fs := flag.NewFlagSet("verifier", flag.ContinueOnError)
	fs.StringVar(&o.grpcAddress, "grpc-bind-address", "127.0.0.1:9001", "Address for Envoy's external authorization over gRPC: host:port, or unix:/path for a socket of mode 0660, which is never TLS; 0 turns it off. Other than on loopback a port needs --tls-cert-dir.")
	fs.StringVar(&o.httpAddress, "http-bind-address", "127.0.0.1:9002", "Address for forward authentication over HTTP/1.1 and HTTP/2: host:port, or unix:/path for a socket of mode 0660, which is never TLS; 0 turns it off. Other than on loopback a port needs --tls-cert-dir.")
	fs.StringVar(&o.metricsAddress, "metrics-bind-address", ":8080", "Address of /metrics, over plain HTTP; 0 turns it off.")
	fs.StringVar(&o.probeAddress, "health-probe-bind-address", ":8081", "Address of /healthz and /readyz; 0 turns them off.")
	fs.StringVar(&o.certDir, "tls-cert-dir", "", "Folder with tls.crt and tls.key for gRPC and HTTP, taken over when they change; empty: no TLS, which only loopback addresses are allowed to go without.")
	fs.BoolVar(&o.selfSigned, "tls-self-signed", false, "Use a self-signed certificate for as long as --tls-cert-dir has none.")
	fs.StringVar(&o.clientCAFile, "client-ca-file", "", "PEM file of authorities: gateways must show a certificate of one of them. Needs --tls-cert-dir.")
	fs.StringVar(&o.rateLimitStore, "rate-limit-store", memoryStore, "Where rate limits are kept: memory, for each replica by itself, or a Valkey or Redis that replicas share: redis://, rediss:// (TLS) or unix:// for one server, redis+cluster:// or rediss+cluster:// for a cluster, redis+sentinel:// or rediss+sentinel:// for sentinels. It can also come from RATE_LIMIT_STORE, so that a password need not be on the command line.")
	fs.DurationVar(&o.rateLimitStoreTimeout, "rate-limit-store-timeout", ratelimit.DefaultTimeout, "How long a request waits for the store of rate limits at most, from 1ms to 5s: more than twice the way there and back. Without an answer the replica decides by itself.")
	fs.StringVar(&o.credentialHeaders, "credential-headers", "", "Headers that may carry a key beside Authorization and X-API-Key, with commas between them, such as api-key,x-goog-api-key. Gateways that are asked over HTTP must take them off requests.")
	fs.Float64Var(&o.lastUsedWrites, "last-used-writes", 10, "How many status.lastUsedAt are written a second at most, from 0.1 to 1000.")
	fs.Uint64Var(&o.logAllowed, "log-allowed", 0, "Log one in this many allowed requests; 1: all, 0: none.")
	fs.Uint64Var(&o.logRefused, "log-refused", 20, "Log so many refused requests of each reason in a second, and the number of the others in one line; 0: log all.")
	fs.TextVar(&o.logLevel, "log-level", slog.LevelInfo, "Least level that is logged: DEBUG, INFO, WARN or ERROR. Above INFO there is no access log.")
	fs.DurationVar(&o.drainDelay, "drain-delay", 5*time.Second, "How long requests are still taken after the order to stop, while /readyz says no: gateways need that long to notice.")
	fs.DurationVar(&o.drainTimeout, "drain-timeout", 15*time.Second, "How long requests that have begun, and the last writes, may then take.")
	fs.IntVar(&o.maxConnections, "max-connections", 1000, "How many connections each of the two ports keeps at most, from 10 to 100000. Beyond that one on which nothing was ever answered is closed, or else the one whose last answer is the longest ago.")
	if kubeconfig := flag.Lookup("kubeconfig"); kubeconfig != nil { // controller-runtime reads it where it has put it
		fs.Var(kubeconfig.Value, kubeconfig.Name, kubeconfig.Usage)
	}

	return fs
}

// parse reads the command line and says what is wrong with it. It answers --help itself.
func parse(args []string, help io.Writer) (options, error) {
	var o options
	fs := flagSet(&o)
	fs.SetOutput(io.Discard) // the caller says what is wrong, once and without all the flags
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		_, _ = fmt.Fprint(help, "Answers gateways whether a request with an API key may pass.\n\nFlags:\n")
		fs.SetOutput(help)
		fs.PrintDefaults()
	}
	if err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("argument %q: there are only flags, see --help", fs.Arg(0))
	}

	return o, errors.Join(
		plaintextOnlyOnLoopback("--grpc-bind-address", o.grpcAddress, o.certDir),
		plaintextOnlyOnLoopback("--http-bind-address", o.httpAddress, o.certDir),
		checkStoreTimeout(o.rateLimitStoreTimeout),
		o.check())
}

// checkStoreTimeout refuses a time-out that no store can keep to, and one that no gateway waits for.
func checkStoreTimeout(timeout time.Duration) error {
	if timeout < time.Millisecond || timeout > 5*time.Second {
		return fmt.Errorf("--rate-limit-store-timeout=%s: must be from 1ms to 5s", timeout)
	}

	return nil
}

// check returns what does not fit together.
func (o *options) check() error {
	if err := o.checkRanges(); err != nil {
		return err
	}
	switch {
	case o.grpcAddress == off && o.httpAddress == off:
		return errors.New("--grpc-bind-address and --http-bind-address are both 0: then no gateway can ask")
	case o.clientCAFile != "" && o.certDir == "":
		return errors.New("--client-ca-file needs --tls-cert-dir: without TLS clients show no certificates")
	case o.selfSigned && o.certDir == "":
		return errors.New("--tls-self-signed needs --tls-cert-dir: the folder where a real certificate is going to be")
	default:
		_, err := o.credentials()

		return err
	}
}

// checkRanges returns the first number or time that is out of its range.
func (o *options) checkRanges() error {
	switch {
	case !(o.lastUsedWrites >= 0.1 && o.lastUsedWrites <= 1000): // also what is no number
		return fmt.Errorf("--last-used-writes=%g: must be from 0.1 to 1000", o.lastUsedWrites)
	case o.drainDelay < 0 || o.drainTimeout <= 0:
		return fmt.Errorf("--drain-delay=%s --drain-timeout=%s: must not be negative, and the latter not 0", o.drainDelay, o.drainTimeout)
	case o.maxConnections < 10 || o.maxConnections > 100_000:
		return fmt.Errorf("--max-connections=%d: must be from 10 to 100000", o.maxConnections)
	default:
		return nil
	}
}

// credentials are the headers that may carry a key.
func (o *options) credentials() (*server.CredentialHeaders, error) {
	var more []string
	if o.credentialHeaders != "" {
		more = strings.Split(o.credentialHeaders, ",")
	}
	known, err := server.NewCredentialHeaders(more...)
	if err != nil {
		return nil, fmt.Errorf("--credential-headers: %w", err)
	}

	return known, nil
}

// off is the address that turns a server off.
const off = "0"

// plaintextOnlyOnLoopback refuses an address at which keys would cross a network in plaintext.
func plaintextOnlyOnLoopback(name, address, certDir string) error {
	switch {
	case address == off:
		return nil
	case isUnix(address): // what is sent there crosses no network
		return checkUnix(name, address)
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%s=%s: must be host:port, such as 127.0.0.1:9001 or :9001, or unix:/path: %w", name, address, err)
	}
	if ip, err := netip.ParseAddr(host); certDir != "" || host == "localhost" || err == nil && ip.IsLoopback() {
		return nil
	}

	return fmt.Errorf("%s=%s: API keys would cross the network in plaintext; set --tls-cert-dir, or listen on a loopback address such as 127.0.0.1", name, address)
}
