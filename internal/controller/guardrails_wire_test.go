// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"k8s.io/client-go/rest"
)

// held is a connection on which the list of one resource is not answered until it is released.
type held struct {
	resource string
	release  chan struct{}
	waiting  atomic.Bool
}

func (h *held) attach(cfg *rest.Config) *rest.Config {
	return wrapped(cfg, func(req *http.Request) {
		if strings.HasSuffix(req.URL.Path, "/"+h.resource) {
			h.waiting.Store(true)
			select {
			case <-h.release:
			case <-req.Context().Done():
			}
		}
	})
}

// tally counts the requests of a client by method and resource, without watches and discovery.
type tally struct {
	mu    sync.Mutex
	calls map[string]int
}

func (t *tally) attach(cfg *rest.Config) *rest.Config {
	return wrapped(cfg, func(req *http.Request) {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.calls[requestName(req)]++
	})
}

// of are the counts of some resources.
func (t *tally) of(resources ...string) map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	counts := map[string]int{}
	for call, n := range t.calls {
		_, resource, _ := strings.Cut(call, " ")
		resource, _, _ = strings.Cut(resource, "/")
		for _, wanted := range resources {
			if resource == wanted {
				counts[call] = n
			}
		}
	}

	return counts
}

// requestName is the verb and the resource of a request, such as "PUT apikeys/status"; empty: a watch, or no resource.
func requestName(req *http.Request) string {
	parts := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	if len(parts) > 0 && parts[0] == "apis" {
		parts = parts[min(3, len(parts)):]
	} else {
		parts = parts[min(2, len(parts)):]
	}
	if len(parts) > 2 && parts[0] == "namespaces" {
		parts = parts[2:]
	}
	if len(parts) == 0 || req.URL.Query().Get("watch") == "true" && req.URL.Query().Get("sendInitialEvents") == "" {
		return ""
	}
	verb := req.Method
	if len(parts) == 1 && verb == http.MethodGet {
		verb = "LIST"
	}
	if len(parts) > 2 {
		return verb + " " + parts[0] + "/" + parts[2]
	}

	return verb + " " + parts[0]
}

// wrapped is a configuration whose requests are shown to a function first.
func wrapped(cfg *rest.Config, show func(*http.Request)) *rest.Config {
	cfg = rest.CopyConfig(cfg)
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			show(req)

			return next.RoundTrip(req)
		})
	})

	return cfg
}

// roundTripper is an http.RoundTripper that is a function.
type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (r roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return r(req) }
