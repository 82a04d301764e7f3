// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
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

// core is what decides in the verifier, in this process.
type core struct {
	texts    []string // of all keys, in an order that the index knows nothing of
	index    *keyindex.Index
	verifier *server.Verifier
	next     int // the key of the next question
	refused  int
}

// newCore makes the core of a verifier that knows so many keys.
func newCore(n int) (*core, error) {
	set, err := drawKeys(n)
	if err != nil {
		return nil, err
	}
	log, registry := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	c := &core{texts: set.texts}
	if c.index, err = keyindex.New(keyindex.Options{Log: log, Clock: clock.RealClock{}, Registerer: registry}); err != nil {
		return nil, err
	}
	if err := c.fill(set); err != nil {
		return nil, err
	}
	limiter, err := ratelimit.NewMemory(clock.RealClock{}, registry)
	if err != nil {
		return nil, err
	}
	recorder, err := usage.New(usage.Options{Clock: clock.RealClock{}, Log: log, Registerer: registry}) // it never runs, so nothing is written
	if err != nil {
		return nil, err
	}
	c.verifier, err = server.New(server.Options{
		Index: c.index, Limiter: limiter, Uses: recorder, Clock: clock.RealClock{}, Log: log, Registerer: registry,
	})

	return c, err
}

// fill hands the keys to the index as its watches do: each APIKey is converted, and let go of, before the next one.
func (c *core) fill(set *keyset) error {
	if err := c.index.Roles().Replace([]any{newRole()}, "1"); err != nil {
		return err
	}
	store := c.index.APIKeys()
	convert := store.Transformer()
	converted := make([]any, len(set.digests))
	for at, i := range rand.Perm(len(set.digests)) { //nolint:gosec // G404: any order will do
		var err error
		if converted[at], err = convert(newIndexedKey(i, set.digests[i])); err != nil {
			return err
		}
	}

	return store.Replace(converted, "1")
}

// newIndexedKey is an APIKey as a watch delivers it, with what an index reads of it.
func newIndexedKey(i int, digest keys.Digest) *v1alpha1.APIKey {
	key := (&population{namespace: "core"}).newKey(i)
	shape(key, i)
	key.UID = uuid.NewUUID()
	key.Status = v1alpha1.APIKeyStatus{
		Phase: v1alpha1.PhaseActive,
		Keys:  []v1alpha1.KeyRecord{{ID: digest.ID(), Digest: digest.String(), State: v1alpha1.KeyActive}},
	}

	return key
}

// text is that of the next key.
func (c *core) text() string {
	text := c.texts[c.next]
	if c.next++; c.next == len(c.texts) {
		c.next = 0
	}

	return text
}

// decide is a benchmark of the decision alone: from the text of a credential to the answer.
func (c *core) decide(b *testing.B) {
	now := time.Now()
	for b.Loop() {
		request := access.Request{Environment: v1alpha1.EnvironmentProduction, Permission: neededPermission}
		text := c.text()
		var grant *access.Grant
		if keys.Check(text) == nil {
			request.Credential = access.Presented
			grant = c.index.Find(keys.DigestOf(text))
		}
		if !access.Decide(&request, grant, now).Allowed() {
			c.refused++
		}
	}
}

// verify is a benchmark of what both interfaces call: also what the endpoint needs, clock, rate limit, last use and metrics.
func (c *core) verify(b *testing.B) {
	for b.Loop() {
		var request server.Request
		request.Credential.Take(server.APIKey, c.text())
		request.Needs.Set(server.NeedEnvironment, string(v1alpha1.EnvironmentProduction))
		request.Needs.Set(server.NeedPermission, string(neededPermission))
		if answer := c.verifier.Verify(context.Background(), &request); !answer.Allowed() {
			c.refused++
		}
	}
}

// warmUp asks with each key once: the first use of a key is noted, and its bucket made.
func (c *core) warmUp(ctx context.Context) error {
	for range c.texts {
		var request server.Request
		request.Credential.Take(server.APIKey, c.text())
		request.Needs.Set(server.NeedEnvironment, string(v1alpha1.EnvironmentProduction))
		if answer := c.verifier.Verify(ctx, &request); !answer.Allowed() {
			return fmt.Errorf("a key was refused: %s", answer.Reason)
		}
	}

	return nil
}
