// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/server"
)

// ForeignKey returns a key with a right checksum that no operator has drawn.
func ForeignKey() string {
	key, err := keys.Generator{}.New(v1alpha1.EnvironmentProduction)
	if err != nil {
		panic(err) // the system has no randomness
	}

	return key.Reveal()
}

// NewVerifier makes the core of a verifier that knows one live key, of Production and with neither permissions nor limit,
// and logs nothing: for tests of how an interface translates. A key may also be in these headers.
func NewVerifier(t testing.TB, key string, headers ...string) *server.Verifier {
	t.Helper()
	credentials, err := server.NewCredentialHeaders(headers...)
	if err != nil {
		t.Fatal(err)
	}
	digest := keys.DigestOf(key)
	v, err := server.New(server.Options{
		Credentials: credentials,
		Index: only{digest, &access.Grant{ID: digest.ID(), NotAfter: access.Never, Subject: &access.Subject{
			Namespace: "default", Name: "only", UID: "u", Environment: v1alpha1.EnvironmentProduction, ExpiresAt: access.Never,
		}}},
		Limiter: unlimited{}, Uses: unnoted{}, Clock: clock.RealClock{},
		Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}

	return v
}

// PanickingVerifier makes the core of a verifier with a bug: it panics with this text when it looks for a key.
func PanickingVerifier(t testing.TB, text string) *server.Verifier {
	t.Helper()
	v, err := server.New(server.Options{
		Index: broken(text), Limiter: unlimited{}, Uses: unnoted{}, Clock: clock.RealClock{},
		Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}

	return v
}

// broken is an index that panics.
type broken string

// Find implements server.Index.
func (b broken) Find(keys.Digest) *access.Grant { panic(string(b)) }

// Staleness implements server.Index.
func (broken) Staleness(time.Time) time.Duration { return 0 }

// only is an index with one key.
type only struct {
	digest keys.Digest
	grant  *access.Grant
}

// Find implements server.Index.
func (o only) Find(digest keys.Digest) *access.Grant {
	if digest != o.digest {
		return nil
	}

	return o.grant
}

// Staleness implements server.Index.
func (only) Staleness(time.Time) time.Duration { return 0 }

// unlimited is a limiter that grants every request.
type unlimited struct{}

// Take implements server.Limiter.
func (unlimited) Take(context.Context, string, access.Limit) access.Quota {
	return access.Quota{Granted: true}
}

// unnoted discards uses.
type unnoted struct{}

// Used implements server.Uses.
func (unnoted) Used(*access.Subject, time.Time) {}
