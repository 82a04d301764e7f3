// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package program

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// answering is a transport that answers at once.
type answering struct {
	code       int
	retryAfter string
	err        error
}

func (a answering) RoundTrip(*http.Request) (*http.Response, error) {
	if a.err != nil {
		return nil, a.err
	}
	header := http.Header{}
	if a.retryAfter != "" {
		header.Set("Retry-After", a.retryAfter)
	}

	return &http.Response{StatusCode: a.code, Header: header, Body: http.NoBody}, nil
}

// clusterTransport returns the transport of Cluster above another one.
func clusterTransport(t *testing.T, next http.RoundTripper) http.RoundTripper {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	const content = `{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c}}],
		clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]}`
	if err := os.WriteFile(kubeconfig, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", kubeconfig)
	cfg, err := Cluster()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.WrapTransport == nil {
		t.Fatal("the configuration has no transport of its own")
	}

	return cfg.WrapTransport(next)
}

// TestWaitsForAStartingAPIServerAreShort: client-go waits as long as Retry-After says.
func TestWaitsForAStartingAPIServerAreShort(t *testing.T) {
	for name, c := range map[string]struct {
		code        int
		asked, want string
	}{
		"paths not installed yet":        {http.StatusServiceUnavailable, "5", "1"},
		"a long wait":                    {http.StatusServiceUnavailable, "3600", "1"},
		"a short wait":                   {http.StatusServiceUnavailable, "1", "1"},
		"no wait":                        {http.StatusServiceUnavailable, "", ""},
		"a date, which client-go skips":  {http.StatusServiceUnavailable, "Thu, 26 Nov 2026 18:00:00 GMT", "Thu, 26 Nov 2026 18:00:00 GMT"},
		"overload":                       {http.StatusTooManyRequests, "8", "8"},
		"an error that may not go away":  {http.StatusInternalServerError, "5", "5"},
		"success":                        {http.StatusOK, "5", "5"},
		"a number that is out of bounds": {http.StatusServiceUnavailable, "99999999999999999999", "99999999999999999999"},
	} {
		t.Run(name, func(t *testing.T) {
			response, err := clusterTransport(t, answering{code: c.code, retryAfter: c.asked}).RoundTrip(nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }()
			if got := response.Header.Get("Retry-After"); response.StatusCode != c.code || got != c.want {
				t.Errorf("%d with Retry-After %q, want %d with %q", response.StatusCode, got, c.code, c.want)
			}
		})
	}
}

func TestErrorsOfTheTransportPass(t *testing.T) {
	want := errors.New("connection refused")
	if _, err := clusterTransport(t, answering{err: want}).RoundTrip(nil); !errors.Is(err, want) { //nolint:bodyclose // there is no response
		t.Errorf("error %v, want that of the transport", err)
	}
}
