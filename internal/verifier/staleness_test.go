// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier_test

import (
	"context"
	"net/http"
	"syscall"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// TestStaleness runs verifiers with every configuration of --max-staleness while etcd hangs and while the API server is unreachable.
// The API server goes on answering watches from its cache while etcd hangs, bookmarks included.
//
// Mutants that were run and that it kills: MaxStaleness is not handed to the core; --stale-action is not.
func TestStaleness(t *testing.T) {
	plane := testkit.StartFor(t, testkit.Options{})
	plane.RunOperatorFor(t)
	admin, err := plane.Client()
	if err != nil {
		t.Fatal(err)
	}
	install(t, plane)
	gate := newGate(t, plane)
	_, text := mintKey(t, admin, "fresh")
	verifiers := map[string]*instance{
		"off":    startInstance(t, nil),
		"refuse": startInstance(t, nil, "--max-staleness=10s"),
		"pass":   startInstance(t, nil, "--max-staleness=10s", "--stale-action=pass"),
	}
	for name, v := range verifiers {
		eventually(t, name+" is ready", v.ready)
	}
	healthy := func(ctx context.Context) bool {
		for _, v := range verifiers {
			if !v.followsAll(ctx, t) || v.overHTTP(ctx, text) != http.StatusOK || v.overGRPC(ctx, text) != http.StatusOK {
				return false
			}
		}

		return true
	}
	eventually(t, "all answer 200", healthy)
	signal := func(program string, signal syscall.Signal) func() {
		return func() {
			if err := plane.Signal(program, signal); err != nil {
				t.Error(err)
			}
		}
	}
	for _, outage := range []struct {
		name       string
		begin, end func()
	}{
		{"etcd hangs", signal("etcd", syscall.SIGSTOP), signal("etcd", syscall.SIGCONT)},
		{"the API server hangs", signal("kube-apiserver", syscall.SIGSTOP), signal("kube-apiserver", syscall.SIGCONT)},
		{"the API server is unreachable", gate.shut, func() { gate.open.Store(true) }},
	} {
		t.Run(outage.name, func(t *testing.T) {
			outage.begin()
			t.Cleanup(outage.end)
			for name, v := range verifiers {
				eventually(t, name+": neither watch is up", func(ctx context.Context) bool { return v.followsNothing(ctx, t) })
			}
			refusing := verifiers["refuse"]
			eventually(t, "503 over HTTP", func(ctx context.Context) bool { return refusing.overHTTP(ctx, text) == http.StatusServiceUnavailable })
			eventually(t, "503 over gRPC", func(ctx context.Context) bool { return refusing.overGRPC(ctx, text) == http.StatusServiceUnavailable })
			if staleness := refusing.staleness(t.Context(), t); staleness < 10 {
				t.Errorf("requests are refused after %g seconds", staleness)
			}
			if !refusing.ready(t.Context()) {
				t.Error("it is not ready: gateways would have nobody to ask, whatever they are configured to do then")
			}
			for _, name := range []string{"off", "pass"} {
				if code := verifiers[name].overHTTP(t.Context(), text); code != http.StatusOK {
					t.Errorf("%s: %d", name, code)
				}
			}
			eventually(t, "a count of what passed", func(ctx context.Context) bool {
				return verifiers["pass"].overHTTP(ctx, text) == http.StatusOK &&
					verifiers["pass"].metric(ctx, t, "apikey_verifier_decided_while_stale_total") > 0
			})
			if count := verifiers["off"].metric(t.Context(), t, "apikey_verifier_decided_while_stale_total"); count != 0 {
				t.Errorf("without a maximum %g requests were decided while stale", count)
			}
			outage.end()
			eventually(t, "all answer 200 again", healthy)
		})
	}
}

func (v *instance) watches(ctx context.Context, t *testing.T) (apiKeys, roles float64) {
	t.Helper()

	return v.metric(ctx, t, `apikey_verifier_index_watch_up{resource="apikeys"}`), v.metric(ctx, t, `apikey_verifier_index_watch_up{resource="apikeyroles"}`)
}

func (v *instance) followsAll(ctx context.Context, t *testing.T) bool {
	t.Helper()
	apiKeys, roles := v.watches(ctx, t)

	return apiKeys == 1 && roles == 1
}

func (v *instance) followsNothing(ctx context.Context, t *testing.T) bool {
	t.Helper()
	apiKeys, roles := v.watches(ctx, t)

	return apiKeys == 0 && roles == 0
}

// staleness returns the age of the older resource.
func (v *instance) staleness(ctx context.Context, t *testing.T) float64 {
	t.Helper()
	const name = "apikey_verifier_index_staleness_seconds"

	return max(v.metric(ctx, t, name+`{resource="apikeys"}`), v.metric(ctx, t, name+`{resource="apikeyroles"}`))
}
