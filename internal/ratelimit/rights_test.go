// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/access"
)

// TestDocumentedUserIsEnough runs the command of the documentation, and has that user do all that a replica does.
func TestDocumentedUserIsEnough(t *testing.T) {
	text, err := os.ReadFile("../../config/samples/gateways/README.md")
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile("`(ACL SETUSER verifier [^`]+)`").FindSubmatch(text)
	addition := regexp.MustCompile("`([^`]+)` for a cluster").FindSubmatch(text)
	if command == nil || addition == nil {
		t.Fatal("the documentation names no user")
	}
	setUser := func(s *server, more string) {
		var words []any
		for word := range strings.FieldsSeq(string(command[1]) + " " + more) {
			words = append(words, strings.Replace(word, "PASSWORD", password, 1))
		}
		s.do(words...)
	}
	limit := access.Limit{Requests: 2, Per: day}
	use := func(r replica) {
		r.wantUp(t)
		wantLeft(t, "a", limit, 0, r, r)
		if r.Take(t.Context(), "a", limit).Granted {
			t.Error("granted more than the limit")
		}
		r.wantMetric(t, "fallback_total", 0)
	}
	t.Run("one server", func(t *testing.T) {
		s := startServer(t)
		setUser(s, "")
		use(newReplica(t, strings.Replace(s.url(), "://:", "://verifier:", 1)+"?db=1", bound/2))
	})
	t.Run("a cluster", func(t *testing.T) {
		nodes := startCluster(t)
		for _, n := range nodes {
			setUser(n.server, string(addition[1]))
		}
		use(newReplica(t, strings.Replace(clusterURL(nodes...), "://:", "://verifier:", 1), bound/2))
	})
}
