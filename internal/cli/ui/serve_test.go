// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/cli/ui"
)

// patience is how long the server may take on a loaded machine.
const patience = 2 * time.Minute

// served is a running page, and a browser that the test drives by hand.
type served struct {
	t *testing.T
	// address is that of the server, such as "http://127.0.0.1:40000"; token is the one in the link.
	address, token string
	browser        *http.Client
	// ended receives what Serve returns.
	ended <-chan error
	stop  context.CancelFunc
}

// serve starts the page. Without a cluster of its own the page asks one that is away.
func serve(t *testing.T, change func(*ui.Options)) *served {
	t.Helper()
	away, err := operations.Connect(&rest.Config{Host: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan string, 1), make(chan error, 1)
	options := ui.Options{
		Service: operations.Service{Client: away, Clock: clock.RealClock{}}, Namespace: "default", HomeNamespace: "default",
		User: "jane", Cluster: "test", Ready: func(address string) { ready <- address },
	}
	if change != nil {
		change(&options)
	}
	go func() { ended <- ui.Serve(ctx, options) }()
	t.Cleanup(cancel)
	select {
	case link := <-ready:
		address, token, found := strings.Cut(link, "/enter#")
		if !found {
			t.Fatalf("the link %q has no token", link)
		}

		return &served{t: t, address: address, token: token, browser: newBrowser(t), ended: ended, stop: cancel}
	case err := <-ended:
		t.Fatal(err)
	case <-time.After(patience): //nolint:forbidigo // it bounds the test
		t.Fatal("the server does not start")
	}

	return nil
}

// newBrowser returns a client with cookies of its own, which follows no redirects.
func newBrowser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}

	return &http.Client{Jar: jar, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// enter exchanges the token for a session.
func (s *served) enter() *served {
	s.t.Helper()
	if code, text := s.post("/session", s.token); code != http.StatusNoContent {
		s.t.Fatalf("POST /session: %d %s", code, text)
	}

	return s
}

// get reads a path in the browser.
func (s *served) get(path string) (code int, text string) {
	s.t.Helper()

	return s.send(s.request(http.MethodGet, path, ""))
}

// post sends a text as the page's own script does.
func (s *served) post(path, body string) (code int, text string) {
	s.t.Helper()
	r := s.request(http.MethodPost, path, body)
	r.Header.Set("Origin", s.address)
	r.Header.Set("Sec-Fetch-Site", "same-origin")

	return s.send(r)
}

// submit sends a form.
func (s *served) submit(path string, form url.Values) (code int, text string) {
	s.t.Helper()
	r := s.request(http.MethodPost, path, form.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", s.address)
	r.Header.Set("Sec-Fetch-Site", "same-origin")

	return s.send(r)
}

func (s *served) request(method, path, body string) *http.Request {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.address+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}

	return r
}

func (s *served) send(r *http.Request) (code int, text string) {
	s.t.Helper()
	response, err := s.browser.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}

	return response.StatusCode, string(body)
}

// TestClusterAway: the page says that the cluster does not answer, and offers to try again.
func TestClusterAway(t *testing.T) {
	code, text := serve(t, nil).enter().get("/")
	if code != http.StatusBadGateway || !strings.Contains(text, "The cluster does not answer") || !strings.Contains(text, "Try again") {
		t.Errorf("%d\n%s", code, text)
	}
}

// TestClusterSilent: where the API server takes the question and does not answer, the list says that it is being read, and later that no
// answer comes.
func TestClusterSilent(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	silent, err := operations.Connect(&rest.Config{Host: "http://" + listener.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, func(o *ui.Options) { o.Service.Client = silent }).enter()
	if code, text := s.get("/"); code != http.StatusOK || !strings.Contains(text, "Reading keys") || strings.Contains(text, "No keys") {
		t.Errorf("%d\n%s", code, text)
	}
	for until := time.Now().Add(patience); ; {
		_, text := s.get("/")
		if strings.Contains(text, "The cluster does not answer") {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("it never says so:\n%s", text)
		}
	}
}
