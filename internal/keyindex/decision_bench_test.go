// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/keyindex"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
	"github.com/apikey-operator/apikey-operator/internal/server"
	"github.com/apikey-operator/apikey-operator/internal/usage"
)

// benchmarkPermission is the permission that the endpoint needs. Keys have it through a role, so both lists are searched.
const benchmarkPermission = "orders:read"

// BenchmarkCore measures the part of a request that is neither network nor protocol: in one goroutine, each time with another key of an
// index of that size, in random order. "decision" is the shape and checksum of the credential, its digest, the look-up and every check.
// "verification" is what both interfaces call: also the requirements of the endpoint, clock, rate limit, last use and metrics.
//
// The aims are at most 500 ns for a decision and no allocation, and at most twice the time from the smallest size to the largest.
// `make bench-core` prints medians and ratios.
func BenchmarkCore(b *testing.B) {
	for _, size := range []int{1_000, 100_000, 1_000_000} {
		c := newCore(b, size)
		b.Run(fmt.Sprintf("decision/keys=%d", size), c.decide)
		b.Run(fmt.Sprintf("verification/keys=%d", size), c.verify)
	}
}

// core is the part of the verifier that decides.
type core struct {
	index    *keyindex.Index
	verifier *server.Verifier
	keys     []string
	next     int
}

func newCore(b *testing.B, size int) *core {
	b.Helper()
	log, registry := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	index, err := keyindex.New(keyindex.Options{Log: log, Clock: clock.RealClock{}, Registerer: registry})
	if err != nil {
		b.Fatal(err)
	}
	c := &core{index: index, keys: fillIndex(b, index, size)}
	limiter, err := ratelimit.NewMemory(clock.RealClock{}, registry)
	if err != nil {
		b.Fatal(err)
	}
	recorder, err := usage.New(usage.Options{Clock: clock.RealClock{}, Log: log, Registerer: registry}) // it never runs, so it writes nothing
	if err != nil {
		b.Fatal(err)
	}
	c.verifier, err = server.New(server.Options{
		Index: index, Limiter: limiter, Uses: recorder, Clock: clock.RealClock{}, Log: log, Registerer: registry,
	})
	if err != nil {
		b.Fatal(err)
	}
	for range size { // the first use of a key makes its bucket
		if answer := c.ask(); !answer.Allowed() {
			b.Fatalf("a key was refused: %s", answer.Reason)
		}
	}

	return c
}

// fillIndex hands APIKeys to the index as its watches do: each is converted, and let go of, before the next one. It returns the keys side
// by side in memory: reading one takes no longer than when it has just come in over the network.
func fillIndex(b *testing.B, index *keyindex.Index, size int) []string {
	b.Helper()
	role := &v1alpha1.APIKeyRole{ObjectMeta: metav1.ObjectMeta{Name: "synchronizer"}, Spec: v1alpha1.APIKeyRoleSpec{
		Permissions: []v1alpha1.Permission{
			"products:read", "products:write", "stock:read", "stock:write", benchmarkPermission, "orders:write", "invoices:read", "invoices:write",
		},
	}}
	if err := index.Roles().Replace([]any{role}, "1"); err != nil {
		b.Fatal(err)
	}
	var texts strings.Builder
	texts.Grow(size * keys.MaxLength)
	length, converted, convert := 0, make([]any, size), index.APIKeys().Transformer()
	for i, at := range rand.Perm(size) { //nolint:gosec // G404: any order will do
		key, err := keys.Generator{}.New(v1alpha1.EnvironmentProduction)
		if err != nil {
			b.Fatal(err)
		}
		length, _ = texts.WriteString(key.Reveal()) // all have the same length
		if converted[at], err = convert(benchmarkAPIKey(i, key.Digest())); err != nil {
			b.Fatal(err)
		}
	}
	if err := index.APIKeys().Replace(converted, "1"); err != nil {
		b.Fatal(err)
	}
	all := make([]string, size)
	for i := range all {
		all[i] = texts.String()[i*length : (i+1)*length]
	}

	return all
}

// benchmarkAPIKey returns an APIKey as a watch delivers it, with the fields that an index reads. Every tenth has a rate limit.
func benchmarkAPIKey(i int, digest keys.Digest) *v1alpha1.APIKey {
	key := &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: "core", Name: fmt.Sprintf("integration-%05d", i), UID: uuid.NewUUID()},
		Spec: v1alpha1.APIKeySpec{
			DisplayName: fmt.Sprintf("Main Website Integration %05d", i), Environment: v1alpha1.EnvironmentProduction, Owner: "jane@example.com",
			Permissions: []v1alpha1.Permission{"customers:read", "telemetry:write"}, Roles: []v1alpha1.RoleName{"synchronizer"},
		},
		Status: v1alpha1.APIKeyStatus{
			Phase: v1alpha1.PhaseActive,
			Keys:  []v1alpha1.KeyRecord{{ID: digest.ID(), Digest: digest.String(), State: v1alpha1.KeyActive}},
		},
	}
	if i%10 == 0 {
		key.Spec.RateLimit = &v1alpha1.RateLimit{Requests: 1_000_000, Per: "1s"} // never reached
	}

	return key
}

// key returns the next key.
func (c *core) key() string {
	key := c.keys[c.next]
	c.next = (c.next + 1) % len(c.keys)

	return key
}

func (c *core) decide(b *testing.B) {
	b.ReportAllocs()
	now := time.Now()
	for b.Loop() {
		request := access.Request{Environment: v1alpha1.EnvironmentProduction, Permission: benchmarkPermission}
		key := c.key()
		var grant *access.Grant
		if keys.Check(key) == nil {
			request.Credential = access.Presented
			grant = c.index.Find(keys.DigestOf(key))
		}
		if decision := access.Decide(&request, grant, now); !decision.Allowed() {
			b.Fatal("a key was refused")
		}
	}
}

func (c *core) verify(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if answer := c.ask(); !answer.Allowed() {
			b.Fatalf("a key was refused: %s", answer.Reason)
		}
	}
}

func (c *core) ask() server.Answer {
	var request server.Request
	request.Credential.Take(server.APIKey, c.key())
	request.Needs.Set(server.NeedEnvironment, string(v1alpha1.EnvironmentProduction))
	request.Needs.Set(server.NeedPermission, benchmarkPermission)

	return c.verifier.Verify(context.Background(), &request)
}
