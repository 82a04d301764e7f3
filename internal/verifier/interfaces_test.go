// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// TestInterfaces is about the connections to a verifier: which protocols, and whom it lets in.
func TestInterfaces(t *testing.T) {
	plane := testkit.StartFor(t, testkit.Options{})
	plane.RunOperatorFor(t)
	install(t, plane)
	newGate(t, plane)
	admin, err := plane.Client()
	if err != nil {
		t.Fatal(err)
	}
	_, key := mintKey(t, admin, "visitor")

	t.Run("on loopback, without TLS", func(t *testing.T) { withoutTLS(t, key) })
	t.Run("on sockets, without TLS even where ports have it", func(t *testing.T) { onSockets(t, key) })
	t.Run("with TLS, for those with a certificate", func(t *testing.T) { withTLS(t, key) })
	t.Run("a store of rate limits that dies refuses nobody", func(t *testing.T) { storeDies(t, admin) })
}

func withoutTLS(t *testing.T, key string) {
	v := startInstance(t, nil)
	eventually(t, "ready", v.ready)
	for name, set := range map[string]func(*http.Protocols){
		"HTTP/1.1": func(p *http.Protocols) { p.SetHTTP1(true) }, "HTTP/2": func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) },
	} {
		protocols := &http.Protocols{}
		set(protocols)
		transport := &http.Transport{Protocols: protocols}
		answers(t, name, transport, "http://"+v.http, key)
		transport.CloseIdleConnections()
	}
	connection, err := grpc.NewClient(v.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	for _, service := range []string{"", authv3.Authorization_ServiceDesc.ServiceName} {
		health, err := healthv1.NewHealthClient(connection).Check(t.Context(), &healthv1.HealthCheckRequest{Service: service})
		if err != nil || health.GetStatus() != healthv1.HealthCheckResponse_SERVING {
			t.Errorf("the health of %q is %s, %v", service, health.GetStatus(), err)
		}
	}
	stream, err := reflectionv1.NewServerReflectionClient(connection).ServerReflectionInfo(t.Context())
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("the server describes itself: %v", err)
	}
}

// onSockets is a verifier beside its gateway.
func onSockets(t *testing.T, key string) {
	folder := t.TempDir()
	at := &instance{
		http: "unix:" + filepath.Join(folder, "http.sock"), grpc: "unix:" + filepath.Join(folder, "grpc.sock"),
		probes: testkit.FreeAddress(t), metrics: testkit.FreeAddress(t),
	}
	for range 2 { // the second one finds nothing in its way
		v := startInstance(t, at, "--tls-cert-dir="+newAuthority(t).issue(t, verifierName), "--drain-delay=0s")
		eventually(t, "ready", v.ready)
		transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", strings.TrimPrefix(at.http, "unix:"))
		}}
		answers(t, "HTTP/1.1", transport, "http://verifier", key)
		transport.CloseIdleConnections()
		eventually(t, "an answer over gRPC", func(ctx context.Context) bool { return v.overGRPC(ctx, key) == http.StatusOK })
		if err := v.stop(); err != nil {
			t.Fatal(err)
		}
		if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

// answers checks that a key is accepted, and that the answer came over the protocol.
func answers(t *testing.T, protocol string, transport http.RoundTripper, server, key string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server+"/verify?environment=Production", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatalf("%s: %v", protocol, err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK || response.Proto[:6] != protocol[:6] {
		t.Errorf("%s: %s over %s", protocol, response.Status, response.Proto)
	}
}

func withTLS(t *testing.T, key string) {
	server, clients := newAuthority(t), newAuthority(t)
	folder := server.issue(t, verifierName)
	v := startInstance(t, nil, "--tls-cert-dir="+folder, "--client-ca-file="+clients.file(t))
	eventually(t, "ready", v.ready)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(server.pem)
	for name, c := range map[string]struct {
		folder string
		allow  bool
	}{
		"a client with a certificate":            {clients.issue(t, "gateway"), true},
		"a client with one of another authority": {server.issue(t, "gateway"), false},
		"a client without one":                   {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			config := &tls.Config{RootCAs: roots, ServerName: verifierName, MinVersion: tls.VersionTLS12}
			if c.folder != "" {
				own, err := tls.LoadX509KeyPair(filepath.Join(c.folder, "tls.crt"), filepath.Join(c.folder, "tls.key"))
				if err != nil {
					t.Fatal(err)
				}
				config.Certificates = []tls.Certificate{own}
			}
			transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
			defer transport.CloseIdleConnections()
			if c.allow {
				answers(t, "HTTP/2", transport, "https://"+v.http, key)
			} else if hungUpOn(t, transport, "https://"+v.http, key) == nil {
				t.Error("let in over HTTP")
			}
			connection, err := grpc.NewClient(v.grpc, grpc.WithTransportCredentials(credentials.NewTLS(config.Clone())))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = connection.Close() }()
			answer, err := authv3.NewAuthorizationClient(connection).Check(t.Context(), &authv3.CheckRequest{})
			if c.allow != (err == nil) {
				t.Errorf("over gRPC: %v, %v", answer, err)
			}
		})
	}
}

func hungUpOn(t *testing.T, transport http.RoundTripper, server, key string) error {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server+"/verify?environment=Production", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-API-Key", key)
	response, err := transport.RoundTrip(request)
	if err == nil {
		_ = response.Body.Close()
	}

	return err
}

// storeDies has a verifier count in a real store, and kills it.
func storeDies(t *testing.T, admin client.Client) {
	socket, kill := startStore(t)
	_, text := mintKey(t, admin, "counted", func(s *v1alpha1.APIKeySpec) {
		s.RateLimit = &v1alpha1.RateLimit{Requests: 100_000, Per: "24h"}
	})
	v := startInstance(t, nil, "--rate-limit-store=unix://"+socket)
	eventually(t, "yes to a live key", func(ctx context.Context) bool { return v.overHTTP(ctx, text) == http.StatusOK })
	ask := func(count int) {
		t.Helper()
		for range count {
			if code := v.overHTTP(t.Context(), text); code != http.StatusOK {
				t.Fatalf("answered %d", code)
			}
			if code := v.overGRPC(t.Context(), text); code != http.StatusOK {
				t.Fatalf("answered %d", code)
			}
		}
	}
	ask(100)
	if up := v.metric(t.Context(), t, "apikey_verifier_rate_limit_store_up"); up != 1 {
		t.Errorf("with a store that answers, store_up is %g", up)
	}
	kill()
	ask(500)
	if up := v.metric(t.Context(), t, "apikey_verifier_rate_limit_store_up"); up != 0 {
		t.Errorf("with a store that is gone, store_up is %g", up)
	}
	if alone := v.metric(t.Context(), t, "apikey_verifier_rate_limit_fallback_total"); alone < 900 {
		t.Errorf("%g requests were counted by the verifier alone, of 1000", alone)
	}
}

// startStore starts a store on a socket. The function kills it.
func startStore(t *testing.T) (socket string, kill func()) {
	t.Helper()
	program := testkit.FindProgram(t, "redis-server", "valkey-server", "redis-server")
	socket = filepath.Join(t.TempDir(), "store.sock")
	store := exec.CommandContext(context.Background(), program, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no")
	if err := store.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		_ = store.Process.Kill()
		_ = store.Wait()
	}
	t.Cleanup(kill)

	return socket, kill
}
