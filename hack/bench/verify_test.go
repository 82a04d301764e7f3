// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/apikey-operator/apikey-operator/internal/server"
	"github.com/apikey-operator/apikey-operator/internal/server/extauthz"
	"github.com/apikey-operator/apikey-operator/internal/server/forwardauth"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

// errEnded is that an sender has asked often enough.
var errEnded = errors.New("ended")

// overBoth makes senders of both kinds, which ask the servers at these addresses with one key.
func overBoth(t *testing.T, addresses []string, key string) map[string]sender {
	t.Helper()
	b := &verifyBench{keys: []string{key}, options: verifyOptions{connections: 1, concurrency: 1}}
	p, senders := &program{addresses: addresses}, map[string]sender{}
	for over, connect := range map[string]func() (*loadTarget, error){"gRPC": b.overGRPC(p), "HTTP": b.overHTTP(p, verifyTarget(forwardauth.Path))} {
		c, err := connect()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.close)
		senders[over] = c.senders[0]
	}

	return senders
}

// startBaseline runs the baseline in this process, and returns its addresses for gRPC and HTTP, and itself. It must end in order.
func startBaseline(t *testing.T, more ...string) (addresses []string, p *program) {
	t.Helper()
	addresses = []string{testkit.FreeAddress(t), testkit.FreeAddress(t)}
	metrics, probes := testkit.FreeAddress(t), testkit.FreeAddress(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int)
	go func() {
		done <- dispatch(ctx, nil, append([]string{
			baselineCommand, "--grpc-bind-address=" + addresses[grpcAddress], "--http-bind-address=" + addresses[httpAddress],
			"--metrics-bind-address=" + metrics, "--health-probe-bind-address=" + probes,
		}, more...), &bytes.Buffer{}, &bytes.Buffer{})
	}()
	t.Cleanup(func() {
		cancel()
		if code := <-done; code != exitOK {
			t.Errorf("it ended with %d", code)
		}
	})
	err := wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, startTimeout, true, func(ctx context.Context) (bool, error) {
		return testkit.Get(ctx, http.DefaultClient, "http://"+probes) == nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}

	return addresses, &program{Program: &process.Program{Name: "baseline"}, metrics: "http://" + metrics}
}

func TestTheBaselineLetsEverythingPass(t *testing.T) {
	addresses, p := startBaseline(t)
	for over, ask := range overBoth(t, addresses, testkit.ForeignKey()) {
		if err := ask(t.Context(), 0); err != nil {
			t.Errorf("%s: %v", over, err)
		}
	}
	if cpu, err := p.cpu(t.Context()); err != nil || cpu <= 0 {
		t.Errorf("it has taken %s of processor time, %v", cpu, err)
	}
	for path, headers := range map[string]int{forwardauth.Path: 0, headersPath: server.IdentityHeaders} {
		if got := identityHeaders(t, "http://"+addresses[httpAddress]+path); got != headers {
			t.Errorf("%s answers with %d headers of the verifier, want %d", path, got, headers)
		}
	}
}

// Gateways check the certificate of the verifier, so the baseline needs the same one.
func TestTheBaselineShowsACertificate(t *testing.T) {
	folder, err := makeCertificate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(folder, "tls.crt"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	addresses, _ := startBaseline(t, "--tls-cert-dir="+folder)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: verifierName, MinVersion: tls.VersionTLS12}}}
	defer client.CloseIdleConnections()
	if err := testkit.Get(t.Context(), client, "https://"+addresses[httpAddress]+forwardauth.Path); err != nil {
		t.Error(err)
	}
}

// identityHeaders returns how many identity headers an answer has.
func identityHeaders(t *testing.T, url string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	found := 0
	for _, name := range server.IdentityNames() {
		found += len(response.Header.Values(name))
	}

	return found
}

// serveVerifier serves both interfaces of a verifier that knows one key, which has no permissions: on TCP, or on Unix sockets.
func serveVerifier(t *testing.T, key, network string) (addresses []string) {
	t.Helper()
	verifier := testkit.NewVerifier(t, key)
	s := grpc.NewServer(extauthz.Codec())
	extauthz.New(verifier).Register(s)
	web := &http.Server{Handler: forwardauth.New(verifier), ReadHeaderTimeout: headerTimeout}
	for _, serve := range []func(net.Listener) error{grpcAddress: s.Serve, httpAddress: web.Serve} {
		at, prefix := "127.0.0.1:0", ""
		if network == "unix" {
			at, prefix = filepath.Join(t.TempDir(), "s"), unixPrefix
		}
		listener, err := new(net.ListenConfig).Listen(t.Context(), network, at)
		if err != nil {
			t.Fatal(err)
		}
		addresses = append(addresses, prefix+listener.Addr().String())
		go func() { _ = serve(listener) }() // ends with the test
	}
	t.Cleanup(func() {
		s.Stop()
		_ = web.Close()
	})

	return addresses
}

func TestSendersReachBothNetworks(t *testing.T) {
	key := testkit.ForeignKey()
	for _, network := range []string{"tcp", "unix"} {
		for over, ask := range overBoth(t, serveVerifier(t, key, network), key) {
			// The verifier knows the key and nothing that it may do, which only an answer of the verifier says.
			if err := ask(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "permission_denied") {
				t.Errorf("%s over %s: %v", over, network, err)
			}
		}
	}
}

func TestVerifyTargetNamesWhatTheGatewayWants(t *testing.T) {
	for want, identity := range map[string][]string{
		"/verify?environment=Production&permission=orders%3Aread":             nil,
		"/verify?environment=Production&identity=id&permission=orders%3Aread": {"id"},
	} {
		if got := verifyTarget(forwardauth.Path, identity...); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestSendersFailWhenARequestIsRefused(t *testing.T) {
	known, foreign := testkit.ForeignKey(), testkit.ForeignKey()
	addresses := serveVerifier(t, known, "tcp")
	for name, c := range map[string]struct{ key, reason string }{
		"a key that is not known":     {foreign, "unknown"},
		"a key without permissions":   {known, "permission_denied"},
		"a text that is no key":       {"ak_prod_", "malformed"},
		"a credential without a text": {"", "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			for over, ask := range overBoth(t, addresses, c.key) {
				err := ask(t.Context(), 0)
				if err == nil || !strings.Contains(err.Error(), c.reason) {
					t.Errorf("%s: got error %v, want one that says %s", over, err, c.reason)
				}
				if c.key != "" && strings.Contains(err.Error(), c.key) {
					t.Errorf("%s: the error holds the key", over)
				}
			}
		})
	}
}

func TestSendUntilComesWithOneKeyAfterTheOther(t *testing.T) {
	var asked []int
	c := &loadTarget{}
	_, err := c.sendUntil(t.Context(), func(_ context.Context, i int) error {
		if asked = append(asked, i); len(asked) == 7 {
			return errEnded
		}

		return nil
	}, time.Now().Add(time.Hour), 3)
	if !errors.Is(err, errEnded) {
		t.Errorf("got error %v", err)
	}
	for at, i := range asked {
		if i != (at+1)%3 {
			t.Fatalf("asked with the keys %v", asked)
		}
	}
}

func TestRoundsAreComparedForEachRequest(t *testing.T) {
	c := &loadTarget{rounds: []loadRound{
		{requests: 100, took: 2 * time.Second, p99: 5, cpu: 30 * time.Millisecond},
		{requests: 300, took: 3 * time.Second, p99: 7, cpu: 10 * time.Millisecond},
	}}
	if got := median(c.each(loadRound.rate)); got != 75 {
		t.Errorf("median rate: %v requests/s, want 75", got)
	}
	if got := c.perRequest(loadRound.serverTime); got != 100 {
		t.Errorf("CPU: %v µs a request, want 100", got)
	}
}
