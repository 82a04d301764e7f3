// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/server"
)

func TestKind(t *testing.T) {
	known, err := server.NewCredentialHeaders("api-key", "x-goog-api-key", "token")
	if err != nil {
		t.Fatal(err)
	}
	type kind struct {
		kind   server.Kind
		header server.CredentialHeader
	}
	for want, names := range map[kind][]string{
		{server.Carrier, server.Authorization}:   {"authorization", "Authorization", "AUTHORIZATION"},
		{server.Carrier, server.APIKey}:          {"x-api-key", "X-API-Key", "X-Api-Key"},
		{server.CarrierLookAlike, server.APIKey}: {"x_api_key", "X_API_KEY", "x-api_key", "x.api.key", "X_Api.Key", "x~api|key"},
		{server.Carrier, 2}:                      {"api-key", "Api-Key"},
		{server.CarrierLookAlike, 2}:             {"api_key", "API.KEY"},
		{server.Carrier, 3}:                      {"X-Goog-Api-Key"},
		{server.CarrierLookAlike, 3}:             {"x_goog_api_key", "x-goog.api-key"},
		{server.Carrier, 4}:                      {"token", "Token"},
		{server.ClientIdentity, server.AnyHeader}: {
			"x-apikey-id", "X-Apikey-Name", "x_apikey_id", "x.apikey.owner", "X_APIKEY-customers", "x-apikey-", "x~apikey!id", "x%apikey^owner",
			"x-apikey-reason", "x-apikey-status",
			"x-apikey-permissions-and-more",
		},
		{server.Other, server.AnyHeader}: {
			"", "x", "x-api-keys", "x-api-ke", "xapikey", "x-apikey", "authorizatio_", "proxy-authorization", "my-x-apikey-id", "host", ":path", "ｘ-apikey-id",
			"my-api-key", "tok_n", strings.Repeat("x", 65), strings.Repeat("x", 10_000),
		},
	} {
		for _, name := range names {
			if got, header := known.Kind(name); got != want.kind || header != want.header {
				t.Errorf("%q is of kind %d, header %d, want %d", name, got, header, want)
			}
		}
	}
}

// Whatever spelling of a header a server may take for it, the list of look-alikes has it, and KindOf knows it.
func TestLookAlikes(t *testing.T) {
	known, err := server.NewCredentialHeaders()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(identityNames(), server.HeaderAPIKey) {
		spellings := server.LookAlikes(name)
		if len(spellings) != 8 {
			t.Errorf("%s: %d look-alikes, want 8: two separators of three kinds, without the header itself", name, len(spellings))
		}
		for _, spelling := range spellings {
			if strings.NewReplacer("_", "-", ".", "-").Replace(spelling) != name || spelling == name {
				t.Errorf("%s is no look-alike of %s", spelling, name)
			}
			if kind, _ := known.Kind(spelling); kind != server.ClientIdentity && kind != server.CarrierLookAlike {
				t.Errorf("%s is of kind %d", spelling, kind)
			}
		}
		if len(slices.Compact(slices.Sorted(slices.Values(spellings)))) != len(spellings) {
			t.Errorf("%s: a look-alike is there twice", name)
		}
	}
}

func TestPermissionsInAHeaderAreBounded(t *testing.T) {
	roles := make([]*access.Role, 8)
	for i := range roles {
		var permissions []v1alpha1.Permission
		for j := range 64 {
			permissions = append(permissions, v1alpha1.Permission(strings.Repeat(string(rune('a'+i)), 60)+":"+string(rune('a'+j/26))+string(rune('a'+j%26))))
		}
		roles[i] = &access.Role{}
		roles[i].Set(permissions)
	}
	grant := &access.Grant{Subject: &access.Subject{Rights: &access.Rights{Roles: roles, Permissions: []v1alpha1.Permission{"zzz"}}}}
	got := server.Identity(grant, server.FullIdentity)[slices.Index(identityNames(), "x-apikey-permissions")]
	if len(got) > 4096 || len(got) < 4000 {
		t.Errorf("%d bytes, want nearly 4096", len(got))
	}
	for permission := range strings.SplitSeq(got, ",") {
		if !grant.Subject.Rights.Hold(v1alpha1.Permission(permission)) {
			t.Errorf("%q was not granted", permission)
		}
	}
}

// one is an index with one key, or none.
type one struct{ grant *access.Grant }

// Find implements server.Index.
func (o one) Find(keys.Digest) *access.Grant { return o.grant }

// Staleness implements server.Index.
func (one) Staleness(time.Time) time.Duration { return 0 }

// generous is a limiter that always has room.
type generous struct{}

// Take implements server.Limiter.
func (generous) Take(context.Context, string, access.Limit) access.Quota {
	return access.Quota{Granted: true}
}

func newCore(t testing.TB, log *bytes.Buffer, logAllowed uint64, grant *access.Grant) (*server.Verifier, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewRegistry()
	core, err := server.New(server.Options{
		Index: one{grant}, Limiter: generous{}, Uses: &uses{}, Clock: clocktesting.NewFakePassiveClock(time.Unix(1_800_000_000, 0)),
		Log: slog.New(slog.NewJSONHandler(log, nil)), LogAllowed: logAllowed, Registerer: registry,
	})
	if err != nil {
		t.Fatal(err)
	}

	return core, registry
}

func live() *access.Grant {
	return &access.Grant{ID: "abcdefghijkl", NotAfter: access.Never, Subject: &access.Subject{
		Namespace: "n", Name: "k", Environment: v1alpha1.EnvironmentProduction, ExpiresAt: access.Never,
	}}
}

func request(key string) *server.Request {
	r := &server.Request{Method: "GET", Host: "api.example.com", Path: "/customers?page=1"}
	r.Needs.Set(server.NeedEnvironment, "Production")
	r.Credential.Take(server.APIKey, key)

	return r
}

// A client may put its key anywhere. Where it is logged, it must not be readable.
func TestAccessLogNeverHoldsAKey(t *testing.T) {
	key := foreign()
	secret := key[len(key)-49:]
	for name, edit := range map[string]func(*server.Request){
		"the path":                      func(r *server.Request) { r.Path = "/customers/" + key },
		"the path, encoded":             func(r *server.Request) { r.Path = "/customers/" + strings.ReplaceAll(key, "_", "%5F") },
		"the path, encoded twice":       func(r *server.Request) { r.Path = "/customers/" + strings.ReplaceAll(key, "_", "%255f") },
		"the query":                     func(r *server.Request) { r.Path = "/customers?api_key=" + key },
		"the fragment":                  func(r *server.Request) { r.Path = "/customers#" + key },
		"the method":                    func(r *server.Request) { r.Method = key },
		"the host":                      func(r *server.Request) { r.Host = key + ".example.com" },
		"a need":                        func(r *server.Request) { r.Needs.Set(server.NeedPermission, key) },
		"the name of a need":            func(r *server.Request) { r.Needs.Set(key, "x") },
		"the environment":               func(r *server.Request) { r.Needs = server.Needs{}; r.Needs.Set(server.NeedEnvironment, key) },
		"a path that is cut in the key": func(r *server.Request) { r.Path = "/" + strings.Repeat("a", 490) + "/" + key },
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			core, _ := newCore(t, &log, 1, nil)
			r := request(key)
			edit(r)
			core.Verify(t.Context(), r)
			if log.Len() == 0 {
				t.Fatal("a refusal was not logged")
			}
			if text := log.String(); strings.Contains(text, secret[:12]) || strings.Contains(text, secret[20:]) {
				t.Errorf("the log holds the key: %s", text)
			}
		})
	}
}

func TestAccessLogSamplesAllowedRequests(t *testing.T) {
	for every, want := range map[uint64]int{0: 0, 1: 20, 10: 2, 21: 0} {
		var log bytes.Buffer
		core, _ := newCore(t, &log, every, live())
		for range 20 {
			if !core.Verify(t.Context(), request(foreign())).Allowed() {
				t.Fatal("refused")
			}
		}
		if got := strings.Count(log.String(), "\n"); got != want {
			t.Errorf("one in %d: %d lines of 20, want %d", every, got, want)
		}
	}
}

func TestAccessLogLine(t *testing.T) {
	var log bytes.Buffer
	core, _ := newCore(t, &log, 1, live())
	core.Verify(t.Context(), request(foreign()))
	var line map[string]any
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	delete(line, "time")
	want := map[string]any{
		"level": "INFO", "msg": "decision", "decision": "allowed", "reason": "allowed", "code": 200.0,
		"key": "abcdefghijkl", "name": "k", "namespace": "n", "environment": "Production", "permission": "", "customer": "",
		"method": "GET", "host": "api.example.com", "path": "/customers", "latency_seconds": 0.0,
	}
	if diff := cmp.Diff(want, line); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
}

// Labels must not grow with what clients send.
func TestMetrics(t *testing.T) {
	core, registry := newCore(t, &bytes.Buffer{}, 0, live())
	before, err := testutil.GatherAndCount(registry)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		core.Verify(t.Context(), request(foreign()))
	}
	for _, environment := range []string{"a", "b", "c"} {
		r := &server.Request{}
		r.Needs.Set(server.NeedEnvironment, environment)
		core.Verify(t.Context(), r)
	}
	after, err := testutil.GatherAndCount(registry)
	if err != nil || after != before {
		t.Errorf("%d series have become %d, %v", before, after, err)
	}
	for _, want := range []string{
		`apikey_verifier_decisions_total{code="200",environment="Production",reason="allowed"} 3`,
		`apikey_verifier_decisions_total{code="500",environment="",reason="misconfigured"} 3`,
	} {
		if got := exposition(t, registry); !strings.Contains(got, want+"\n") {
			t.Errorf("there is no %s in\n%s", want, got)
		}
	}
}

// exposition is the metrics as Prometheus reads them.
func exposition(t *testing.T, registry *prometheus.Registry) string {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
			t.Fatal(err)
		}
	}

	return text.String()
}

// forgetful notes nothing.
type forgetful struct{}

// Used implements server.Uses.
func (forgetful) Used(*access.Subject, time.Time) {}

// What every request costs, from the header to the answer.
func BenchmarkVerify(b *testing.B) {
	core, err := server.New(server.Options{
		Index: one{live()}, Limiter: generous{}, Uses: forgetful{}, Clock: clock.RealClock{},
		Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		b.Fatal(err)
	}
	key := foreign()
	b.ReportAllocs()
	for b.Loop() {
		var r server.Request
		r.Needs.Set(server.NeedEnvironment, "Production")
		r.Credential.Take(server.APIKey, key)
		if !core.Verify(b.Context(), &r).Allowed() {
			b.Fatal("refused")
		}
	}
}
