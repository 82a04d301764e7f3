// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
	command "github.com/apikey-operator/apikey-operator/internal/verifier"
)

// TestAvailability is about what a verifier says while it starts, ends, or cannot reach the API server: what it has to,
// or nothing, and never a false yes.
func TestAvailability(t *testing.T) {
	plane, err := testkit.Start(testkit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	t.Cleanup(func() {
		if err := plane.Stop(); err != nil && !stopped {
			t.Error(err)
		}
	})
	stop, err := plane.RunOperator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	admin, err := plane.Client()
	if err != nil {
		t.Fatal(err)
	}
	install(t, plane)
	gate := newGate(t, plane)

	t.Run("started before the API server, it is not there until it knows every key", func(t *testing.T) { startsFirst(t, admin, gate) })
	t.Run("restarted again and again, it never says yes to a key that has ended", func(t *testing.T) { neverAFalseYes(t, admin) })
	t.Run("two that are restarted in turns miss no request", func(t *testing.T) { rollsOver(t, admin) })
	t.Run("cut off from the API server and back, it catches up", func(t *testing.T) { catchesUp(t, admin, gate) })
	t.Run("notes uses on its way out", func(t *testing.T) { notesUses(t, admin) })
	t.Run("with the API server gone, it answers from memory and says so", func(t *testing.T) {
		outlives(t, admin, func() {
			stopped = true
			gate.shut() // an API server that ends waits for its watches
			if err := errors.Join(stop(), plane.Stop()); err != nil {
				t.Fatal(err)
			}
		})
	})
}

// gate is the way to the API server. It can be shut: then nothing gets through, and what is open breaks.
type gate struct {
	target string
	open   atomic.Bool
	mu     sync.Mutex
	pipes  map[net.Conn]bool
}

// newGate opens a gate and sets KUBECONFIG so that it is the way of the service account of the verifier.
func newGate(t *testing.T, plane *testkit.ControlPlane) *gate {
	t.Helper()
	const namespace = "system" // in config/verifier, before config/default renames it
	path, err := plane.Kubeconfig("system:serviceaccount:"+namespace+":verifier", "system:serviceaccounts", "system:serviceaccounts:"+namespace)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.LoadFromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	g := &gate{pipes: map[net.Conn]bool{}}
	for _, cluster := range config.Clusters {
		g.target = regexp.MustCompile(`^https://`).ReplaceAllString(cluster.Server, "")
		cluster.Server = "https://" + listener.Addr().String()
	}
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", path)
	g.open.Store(true)
	go g.serve(t.Context(), listener)

	return g
}

func (g *gate) serve(ctx context.Context, listener net.Listener) {
	for {
		from, err := listener.Accept()
		if err != nil {
			return
		}
		to, err := new(net.Dialer).DialContext(ctx, "tcp", g.target)
		if err != nil || !g.let(from, to) {
			_ = from.Close()

			continue
		}
		for _, pipe := range [][2]net.Conn{{from, to}, {to, from}} {
			go func() {
				_, _ = io.Copy(pipe[0], pipe[1])
				_, _ = from.Close(), to.Close()
			}()
		}
	}
}

func (g *gate) let(pipes ...net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, pipe := range pipes {
		if !g.open.Load() {
			_ = pipe.Close()
		}
		g.pipes[pipe] = true
	}

	return g.open.Load()
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open.Store(false)
	for pipe := range g.pipes {
		_ = pipe.Close()
	}
	clear(g.pipes)
}

// instance is one verifier.
type instance struct {
	grpc, http, probes, metrics string
	log                         *transcript
	stop                        func() error
	asked                       authv3.AuthorizationClient
	mayFail                     bool
}

// startInstance starts a verifier at these addresses, and does not wait for it.
func startInstance(t *testing.T, at *instance, more ...string) *instance {
	t.Helper()
	if at == nil {
		at = &instance{grpc: testkit.FreeAddress(t), http: testkit.FreeAddress(t), probes: testkit.FreeAddress(t), metrics: testkit.FreeAddress(t)}
	}
	v := &instance{grpc: at.grpc, http: at.http, probes: at.probes, metrics: at.metrics, log: &transcript{}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- command.RunCommand(ctx, append([]string{
			"--grpc-bind-address=" + v.grpc, "--http-bind-address=" + v.http, "--health-probe-bind-address=" + v.probes,
			"--metrics-bind-address=" + v.metrics, "--metrics-secure=false", "--drain-delay=500ms",
		}, more...), v.log)
	}()
	v.stop = sync.OnceValue(func() error {
		cancel()

		return <-ended
	})
	t.Cleanup(func() {
		if err := v.stop(); err != nil && !v.mayFail {
			t.Errorf("%v; it said\n%s", err, v.log)
		}
	})
	v.asked = startGRPCClient(t, v.grpc).asked

	return v
}

// startGRPCClient connects to a verifier as a gateway does, which tries again at once when the connection breaks.
func startGRPCClient(t *testing.T, address string) *instance {
	t.Helper()
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 5 * time.Millisecond, Multiplier: 1, MaxDelay: 5 * time.Millisecond},
			MinConnectTimeout: patience, // else a connection must be there within those 5 ms
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })

	return &instance{grpc: address, asked: authv3.NewAuthorizationClient(connection)}
}

// statusOf is the status of a URL; 0: there is no answer.
func statusOf(ctx context.Context, url, key string) int {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0
	}
	if key != "" {
		request.Header.Set("X-API-Key", key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()

	return response.StatusCode
}

func (v *instance) ready(ctx context.Context) bool {
	return statusOf(ctx, "http://"+v.probes+"/readyz", "") == http.StatusOK
}

// overHTTP is the code of an answer; 0: there is none.
func (v *instance) overHTTP(ctx context.Context, key string) int {
	return statusOf(ctx, "http://"+v.http+"/verify?environment=Production", key)
}

func (v *instance) overGRPC(ctx context.Context, key string) int {
	answer, err := v.asked.Check(ctx, &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		ContextExtensions: map[string]string{"environment": "Production"},
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Headers: map[string]string{":path": "/", "x-api-key": key},
		}},
	}})
	switch {
	case err != nil:
		return 0
	case answer.GetStatus().GetCode() == 0:
		return http.StatusOK
	default:
		return int(answer.GetDeniedResponse().GetStatus().GetCode())
	}
}

// metric is the value of a metric with these labels, as Prometheus reads it.
func (v *instance) metric(ctx context.Context, t *testing.T, series string) float64 {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+v.metrics+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("there is no %s in\n%s", series, text)
	}
	value, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		t.Fatal(err)
	}

	return value
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func(context.Context) bool) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(t.Context(), 10*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		return holds(ctx), nil
	}); err != nil {
		t.Fatalf("%s: not within %s", what, patience)
	}
}

// mintKey creates an APIKey and returns what the operator has put into its Secret.
func mintKey(t *testing.T, admin client.Client, name string, changes ...func(*v1alpha1.APIKeySpec)) (*v1alpha1.APIKey, string) {
	t.Helper()

	return mintKeyIn(t, admin, "default", name, changes...)
}

// mintKeyIn is mintKey in a namespace.
func mintKeyIn(
	t *testing.T, admin client.Client, namespace, name string, changes ...func(*v1alpha1.APIKeySpec),
) (*v1alpha1.APIKey, string) {
	t.Helper()
	key := &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentProduction},
	}
	for _, change := range changes {
		change(&key.Spec)
	}
	if err := admin.Create(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	var secret corev1.Secret
	eventually(t, "a Secret for "+name, func(ctx context.Context) bool {
		return admin.Get(ctx, client.ObjectKeyFromObject(key), &secret) == nil
	})

	return key, string(secret.Data[v1alpha1.SecretKeyDefault])
}

func revoke(t *testing.T, admin client.Client, key *v1alpha1.APIKey) {
	t.Helper()
	if err := admin.Patch(t.Context(), key, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"revoked":true}}`))); err != nil {
		t.Fatal(err)
	}
}

func startsFirst(t *testing.T, admin client.Client, g *gate) {
	_, text := mintKey(t, admin, "early")
	g.shut()
	v := startInstance(t, nil)
	eventually(t, "alive", func(ctx context.Context) bool {
		return statusOf(ctx, "http://"+v.probes+"/healthz", "") == http.StatusOK
	})
	for range 20 {
		if v.ready(t.Context()) {
			t.Fatal("ready without having seen a key")
		}
		if code := v.overHTTP(t.Context(), text); code != 0 {
			t.Fatalf("answered %d without having seen a key", code)
		}
		if code := v.overGRPC(t.Context(), text); code != 0 {
			t.Fatalf("answered %d without having seen a key", code)
		}
	}
	g.open.Store(true)
	eventually(t, "ready", v.ready)
	if code := v.overHTTP(t.Context(), text); code != http.StatusOK {
		t.Errorf("once ready: %d", code)
	}
	eventually(t, "an answer over gRPC", func(ctx context.Context) bool { return v.overGRPC(ctx, text) == http.StatusOK })
	if code := v.overGRPC(t.Context(), testkit.ForeignKey()); code != http.StatusUnauthorized {
		t.Errorf("a key that nobody has minted: %d", code)
	}
}

func neverAFalseYes(t *testing.T, admin client.Client) {
	at := &instance{grpc: testkit.FreeAddress(t), http: testkit.FreeAddress(t), probes: testkit.FreeAddress(t), metrics: testkit.FreeAddress(t)}
	for round := range 5 {
		key, text := mintKey(t, admin, fmt.Sprint("looped-", round))
		v := startInstance(t, at, "--drain-delay=0s")
		eventually(t, "yes to a live key", func(ctx context.Context) bool { return v.overHTTP(ctx, text) == http.StatusOK })
		if err := v.stop(); err != nil {
			t.Fatal(err)
		}
		revoke(t, admin, key)

		// From here on no answer may be 200, from the first moment of the new verifier on.
		v = startInstance(t, at, "--drain-delay=0s")
		answers := 0
		eventually(t, "20 answers", func(ctx context.Context) bool {
			for _, code := range []int{v.overHTTP(ctx, text), v.overGRPC(ctx, text)} {
				switch code {
				case http.StatusOK:
					t.Fatal("a revoked key was accepted after a restart")
				case http.StatusUnauthorized:
					answers++
				case 0: // not listening yet
				default:
					t.Fatalf("answered %d", code)
				}
			}

			return answers >= 20
		})
		if err := v.stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// rollsOver is a gateway with two verifiers: it asks any that was ready the last time that it looked, as Kubernetes does.
func rollsOver(t *testing.T, admin client.Client) {
	_, text := mintKey(t, admin, "rolled")
	// Longer than this gateway takes to notice, on a machine that has much else to do.
	const drain = time.Second
	first, second := startInstance(t, nil, "--drain-delay="+drain.String()), startInstance(t, nil, "--drain-delay="+drain.String())
	for _, v := range []*instance{first, second} {
		eventually(t, "ready", v.ready)
	}
	var endpoints atomic.Pointer[[]*instance]
	endpoints.Store(&[]*instance{first, second})
	ctx, cancel := context.WithCancel(t.Context())
	var asked, failed atomic.Int64
	var clients sync.WaitGroup
	for worker := range 8 {
		clients.Go(func() {
			for n := worker; ctx.Err() == nil; n++ {
				all := *endpoints.Load()
				v := all[n/2%len(all)]
				ask := v.overHTTP
				if n%2 == 0 {
					ask = v.overGRPC
				}
				asked.Add(1)
				if code := ask(context.WithoutCancel(ctx), text); code != http.StatusOK {
					failed.Add(1)
					t.Errorf("%d over %s", code, map[bool]string{true: "gRPC", false: "HTTP"}[n%2 == 0])
				}
			}
		})
	}
	for range 3 {
		for i := range 2 {
			all := *endpoints.Load()
			old, other := all[i], all[1-i]
			ended := make(chan error, 1)
			asked := time.Now()
			go func() { ended <- old.stop() }()
			eventually(t, "no longer ready", func(ctx context.Context) bool { return !old.ready(ctx) })
			endpoints.Store(&[]*instance{other, other})
			if took := time.Since(asked); took > drain/2 {
				t.Errorf("the gateway has noticed after %s: that says nothing about the verifier", took)
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
			next := startInstance(t, old, "--drain-delay="+drain.String())
			eventually(t, "ready again", next.ready)
			replaced := []*instance{other, other}
			replaced[i] = next
			endpoints.Store(&replaced)
		}
	}
	cancel()
	clients.Wait()
	if failed.Load() != 0 || asked.Load() < 1000 {
		t.Errorf("%d of %d requests failed", failed.Load(), asked.Load())
	}
}

func catchesUp(t *testing.T, admin client.Client, g *gate) {
	key, text := mintKey(t, admin, "outage")
	v := startInstance(t, nil)
	eventually(t, "yes to a live key", func(ctx context.Context) bool { return v.overHTTP(ctx, text) == http.StatusOK })
	g.shut()
	revoke(t, admin, key)
	eventually(t, "a metric that says so", func(ctx context.Context) bool {
		return v.metric(ctx, t, `apikey_verifier_index_watch_up{resource="apikeys"}`) == 0
	})
	if code := v.overHTTP(t.Context(), text); code != http.StatusOK {
		t.Errorf("during the outage: %d, want what it knew before", code)
	}
	g.open.Store(true)
	eventually(t, "no to the key that was revoked meanwhile", func(ctx context.Context) bool {
		return v.overHTTP(ctx, text) == http.StatusUnauthorized && v.overGRPC(ctx, text) == http.StatusUnauthorized
	})
	eventually(t, "a metric that says so, too", func(ctx context.Context) bool {
		return v.metric(ctx, t, `apikey_verifier_index_watch_up{resource="apikeys"}`) == 1
	})
}

func notesUses(t *testing.T, admin client.Client) {
	key, text := mintKey(t, admin, "used")
	v := startInstance(t, nil, "--drain-delay=0s", "--last-used-writes=0.1")
	eventually(t, "yes to a live key", func(ctx context.Context) bool { return v.overHTTP(ctx, text) == http.StatusOK })
	if err := v.stop(); err != nil {
		t.Fatal(err)
	}
	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(key), key); err != nil {
		t.Fatal(err)
	}
	if at := key.Status.LastUsedAt; at == nil || time.Since(at.Time) > patience {
		t.Errorf("lastUsedAt is %v after a use and an orderly end", at)
	}
}

func outlives(t *testing.T, admin client.Client, kill func()) {
	_, text := mintKey(t, admin, "survivor")
	v := startInstance(t, nil, "--drain-timeout=1s")
	eventually(t, "yes to a live key", func(ctx context.Context) bool { return v.overHTTP(ctx, text) == http.StatusOK })
	known := v.metric(t.Context(), t, "apikey_verifier_index_keys")
	kill()
	eventually(t, "a metric that says so", func(ctx context.Context) bool {
		return v.metric(ctx, t, `apikey_verifier_index_watch_up{resource="apikeys"}`) == 0 &&
			v.metric(ctx, t, `apikey_verifier_index_watch_up{resource="apikeyroles"}`) == 0
	})
	last := v.metric(t.Context(), t, "apikey_verifier_index_last_event_timestamp_seconds")
	for range 100 {
		if v.overHTTP(t.Context(), text) != http.StatusOK || v.overGRPC(t.Context(), text) != http.StatusOK {
			t.Fatal("a live key is refused")
		}
		if v.overHTTP(t.Context(), testkit.ForeignKey()) != http.StatusUnauthorized {
			t.Fatal("a key that nobody has minted is accepted")
		}
	}
	if !v.ready(t.Context()) {
		t.Error("not ready: gateways would have nobody to ask")
	}
	if now := v.metric(t.Context(), t, "apikey_verifier_index_keys"); now != known {
		t.Errorf("%g keys have become %g", known, now)
	}
	if now := v.metric(t.Context(), t, "apikey_verifier_index_last_event_timestamp_seconds"); now != last {
		t.Errorf("the last event was at %g and is now at %g", last, now)
	}
	v.mayFail = true
	if err := v.stop(); err == nil {
		t.Error("the last uses could not be written, and nothing is said about it")
	}
}
