// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/apikey-operator/apikey-operator/internal/server"
	"github.com/apikey-operator/apikey-operator/internal/server/extauthz"
	"github.com/apikey-operator/apikey-operator/internal/server/forwardauth"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// errEnded is that an asker has asked often enough.
var errEnded = errors.New("ended")

// overBoth makes askers of both kinds, which ask the servers at these addresses with one key.
func overBoth(t *testing.T, addresses []string, key string) map[string]asker {
	t.Helper()
	b := &verifyBench{keys: &keyset{texts: []string{key}}}
	connections, err := dial(addresses[grpcAddress], 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hangUp(connections) })
	overHTTP, err := b.newHTTPAsker(http.DefaultClient, verifyURL(addresses[httpAddress], forwardauth.Path))
	if err != nil {
		t.Fatal(err)
	}

	return map[string]asker{"gRPC": mustPass(b.newChecker(connections[0])), "HTTP": overHTTP}
}

func TestTheBaselineLetsEverythingPass(t *testing.T) {
	addresses, err := freePorts(t.Context(), 4)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int)
	go func() {
		done <- dispatch(ctx, nil, []string{
			baselineCommand, "--grpc-bind-address=" + addresses[0], "--http-bind-address=" + addresses[1],
			"--metrics-bind-address=" + addresses[2], "--health-probe-bind-address=" + addresses[3],
		}, &bytes.Buffer{}, &bytes.Buffer{})
	}()
	p := &program{name: "baseline", ready: "http://" + addresses[3], metrics: "http://" + addresses[2]}
	if err := p.awaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	for over, ask := range overBoth(t, addresses, testkit.ForeignKey()) {
		if err := ask(ctx, 0); err != nil {
			t.Errorf("%s: %v", over, err)
		}
	}
	if cpu, err := p.cpu(ctx); err != nil || cpu <= 0 {
		t.Errorf("it has taken %s of processor time, %v", cpu, err)
	}
	for path, headers := range map[string]int{forwardauth.Path: 0, headersPath: server.IdentityHeaders} {
		if got := identityHeaders(t, "http://"+addresses[1]+path); got != headers {
			t.Errorf("%s answers with %d headers of the verifier, want %d", path, got, headers)
		}
	}
	cancel()
	if code := <-done; code != exitOK {
		t.Errorf("it ended with %d", code)
	}
}

// identityHeaders is how many of the headers that say whose key it was an answer has.
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

// serveVerifier serves both interfaces of a verifier that knows one key, which has no permissions.
func serveVerifier(t *testing.T, key string) (addresses []string) {
	t.Helper()
	verifier := testkit.NewVerifier(t, key)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(extauthz.Codec())
	extauthz.New(verifier).Register(s)
	go func() { _ = s.Serve(listener) }() // ends with Stop
	t.Cleanup(s.Stop)
	web := httptest.NewServer(forwardauth.New(verifier))
	t.Cleanup(web.Close)

	return []string{listener.Addr().String(), strings.TrimPrefix(web.URL, "http://")}
}

func TestAskersFailWhenARequestIsRefused(t *testing.T) {
	known, foreign := testkit.ForeignKey(), testkit.ForeignKey()
	addresses := serveVerifier(t, known)
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

func TestAskUntilComesWithOneKeyAfterTheOther(t *testing.T) {
	var asked []int
	c := &contender{}
	_, err := c.askUntil(t.Context(), func(_ context.Context, i int) error {
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

func TestVolleysAreComparedForEachRequest(t *testing.T) {
	c := &contender{volleys: []volley{
		{requests: 100, took: 2 * time.Second, p99: 5, cpu: 30 * time.Millisecond},
		{requests: 300, took: 3 * time.Second, p99: 7, cpu: 10 * time.Millisecond},
	}}
	if got := median(c.each(volley.rate)); got != 75 {
		t.Errorf("median rate: %v requests/s, want 75", got)
	}
	if got := c.perRequest(func(v volley) time.Duration { return v.cpu }); got != 100 {
		t.Errorf("CPU: %v µs a request, want 100", got)
	}
}
