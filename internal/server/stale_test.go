// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/server"
	"github.com/apikey-operator/apikey-operator/internal/server/extauthz"
	"github.com/apikey-operator/apikey-operator/internal/server/forwardauth"
)

// aged is an index with one key that may have missed changes for a time.
type aged struct {
	one

	staleness time.Duration
}

// Staleness implements server.Index.
func (a aged) Staleness(time.Time) time.Duration { return a.staleness }

func newAgedCore(t *testing.T, log *bytes.Buffer, staleness, most time.Duration, pass bool) (*server.Verifier, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewRegistry()
	core, err := server.New(server.Options{
		Index: aged{one{live()}, staleness}, Limiter: generous{}, Uses: &uses{}, MaxStaleness: most, PassStale: pass,
		Clock: clocktesting.NewFakePassiveClock(time.Unix(1_800_000_000, 0)),
		Log:   slog.New(slog.NewJSONHandler(log, nil)), Registerer: registry,
	})
	if err != nil {
		t.Fatal(err)
	}

	return core, registry
}

// Mutants that were run by hand and fail this test: decide without Stale; refusesStale with < for <=, without the zero check,
// without passStale, or without the counter.
func TestBeyondTheMaximumRequestsAreStale(t *testing.T) {
	const most = 30 * time.Second
	key := foreign()
	for name, c := range map[string]struct {
		staleness, most time.Duration
		pass            bool
		key             string
		want            access.Reason
		counted         float64
	}{
		"within the maximum":                               {staleness: most, most: most, key: key, want: access.Allowed},
		"beyond the maximum":                               {staleness: most + 1, most: most, key: key, want: access.Stale},
		"beyond the maximum, with the action pass":         {staleness: most + 1, most: most, pass: true, key: key, want: access.Allowed, counted: 1},
		"within the maximum, with the action pass":         {staleness: most, most: most, pass: true, key: key, want: access.Allowed},
		"without a maximum":                                {staleness: 1 << 62, key: key, want: access.Allowed},
		"before the index was complete":                    {staleness: 1<<63 - 1, most: most, key: key, want: access.Stale},
		"without a credential":                             {staleness: most + 1, most: most, want: access.Missing},
		"with a credential that is no key":                 {staleness: most + 1, most: most, key: "secret", want: access.Malformed},
		"with no key but the action pass: it stays no key": {staleness: most + 1, most: most, pass: true, key: "secret", want: access.Malformed, counted: 1},
	} {
		t.Run(name, func(t *testing.T) {
			core, registry := newAgedCore(t, &bytes.Buffer{}, c.staleness, c.most, c.pass)
			if got := core.Verify(t.Context(), request(c.key)).Reason; got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			var counted float64
			families, err := registry.Gather()
			if err != nil {
				t.Fatal(err)
			}
			for _, family := range families {
				if family.GetName() == "apikey_verifier_decided_while_stale_total" {
					counted = family.GetMetric()[0].GetCounter().GetValue()
				}
			}
			if counted != c.counted {
				t.Errorf("%g requests were decided while stale, want %g", counted, c.counted)
			}
		})
	}
}

// Each interface answers 503 with a problem body and the time of the next try; log and metrics have the reason.
func TestStaleOverEveryInterface(t *testing.T) {
	const problem = `{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"What the verifier knows about API keys may be out of date, ` +
		`so the request is refused. Retry after the time in Retry-After.","reason":"stale"}`
	headers := map[string]string{
		"content-type": "application/problem+json", "cache-control": "no-store", "x-apikey-reason": "stale", "retry-after": "5",
	}
	var log bytes.Buffer
	core, registry := newAgedCore(t, &log, time.Hour, time.Minute, false)
	check := func(t *testing.T, code int, got map[string]string, body string) {
		t.Helper()
		if code != http.StatusServiceUnavailable {
			t.Errorf("code %d", code)
		}
		if diff := cmp.Diff(headers, got); diff != "" {
			t.Errorf("headers (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(problem, strings.TrimSpace(body)); diff != "" {
			t.Errorf("body (-want +got):\n%s", diff)
		}
	}

	t.Run("gRPC", func(t *testing.T) {
		wire, err := proto.Marshal(&authv3.CheckRequest{Attributes: &authv3.AttributeContext{
			ContextExtensions: map[string]string{"environment": "Production"},
			Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
				Headers: map[string]string{":path": "/", "x-api-key": foreign()},
			}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := extauthz.New(core).Check(t.Context(), wire)
		if err != nil {
			t.Fatal(err)
		}
		if got := codes.Code(answer.GetStatus().GetCode()); got != codes.Unavailable { //nolint:gosec // G115: a code
			t.Errorf("code %s", got)
		}
		got := map[string]string{}
		for _, h := range answer.GetDeniedResponse().GetHeaders() {
			got[h.GetHeader().GetKey()] = h.GetHeader().GetValue()
		}
		check(t, int(answer.GetDeniedResponse().GetStatus().GetCode()), got, answer.GetDeniedResponse().GetBody())
	})
	for name, target := range map[string]string{
		"HTTP": "/verify?environment=Production", "HTTP with a prefix": "/verify/environment=Production;/customers",
		"HTTP for nginx": "/verify?environment=Production&mode=nginx",
	} {
		t.Run(name, func(t *testing.T) {
			recorder := httptest.NewRecorder()
			request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody)
			request.Header.Set("X-API-Key", foreign())
			forwardauth.New(core).ServeHTTP(recorder, request)
			got := map[string]string{}
			for name, values := range recorder.Header() {
				got[strings.ToLower(name)] = values[0]
			}
			delete(got, "content-length")
			if strings.Contains(target, "nginx") { // which lets neither code nor body through
				if got["x-apikey-status"] != "503" || got["x-apikey-problem"] != problem {
					t.Errorf("headers for nginx: %q", got)
				}
				delete(got, "x-apikey-status")
				delete(got, "x-apikey-problem")
			}
			check(t, recorder.Code, got, recorder.Body.String())
		})
	}

	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 4 {
		t.Errorf("%d lines in the log, want 4", len(lines))
	}
	for _, line := range lines {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil || fields["reason"] != "stale" || fields["code"] != 503.0 || fields["name"] != "k" {
			t.Errorf("%v: %s", err, line)
		}
	}
	series, err := testutil.GatherAndCount(registry, "apikey_verifier_decisions_total")
	if err != nil || series == 0 {
		t.Fatal(series, err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == "apikey_verifier_decisions_total" && m.GetCounter().GetValue() > 0 {
				labels := map[string]string{}
				for _, label := range m.GetLabel() {
					labels[label.GetName()] = label.GetValue()
				}
				want := map[string]string{"code": "503", "reason": "stale", "environment": "Production"}
				if diff := cmp.Diff(want, labels); diff != "" || m.GetCounter().GetValue() != 4 {
					t.Errorf("counted %g times, under (-want +got):\n%s", m.GetCounter().GetValue(), diff)
				}
			}
		}
	}
}
