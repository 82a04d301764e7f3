// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/keyindex"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/server"
	"github.com/apikey-operator/apikey-operator/internal/server/forwardauth"
)

// cases is how many random requests explain and the verifier are compared on.
const cases = 100_000

// TestExplainAgreesWithVerifier asks a verifier over HTTP and explain the same: the answers are equal. Where explain names a change
// for every check that refuses, the request passes after these changes.
func TestExplainAgreesWithVerifier(t *testing.T) {
	random := rand.New(rand.NewPCG(13, 13)) //nolint:gosec // G404: a test that can be repeated
	counts := map[access.Reason]int{}
	remedied := 0
	for n := 0; n < cases; {
		f := newRandomFleet(t, random)
		verifier := f.verifier(t)
		for range 500 {
			n++
			question := f.question(random)
			got, err := operations.Explain(question, f.fleet, f.clock.Now())
			if err != nil {
				t.Fatal(err)
			}
			if want := ask(t, verifier, question); got.Reason.String() != want {
				t.Fatalf("explain says %s, the verifier %s, to %s", got.Reason, want, f.describe(question))
			}
			counts[got.Reason]++
			if f.remedy(t, question, got) {
				remedied++
			}
		}
	}
	for reason := range access.Reasons {
		if counts[reason] < 50 && reason != access.Stale && reason != access.RateLimited && reason != access.Ambiguous {
			t.Errorf("only %d cases were %s", counts[reason], reason)
		}
	}
	if remedied < 1000 {
		t.Errorf("only %d refusals had a change that makes the request pass", remedied)
	}
}

// ask asks the verifier as a gateway does, and returns its reason.
func ask(t *testing.T, verifier http.Handler, q operations.Question) string {
	t.Helper()
	query := url.Values{}
	for name, value := range map[string]string{"environment": string(q.Environment), "permission": string(q.Permission), "customer": string(q.Customer)} {
		if value != "" {
			query.Set(name, value)
		}
	}
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/verify?"+query.Encode(), http.NoBody)
	if q.Key != "" {
		request.Header.Set("X-API-Key", q.Key)
	}
	answer := httptest.NewRecorder()
	verifier.ServeHTTP(answer, request)
	if answer.Code == http.StatusOK {
		return access.Allowed.String()
	}

	return answer.Header().Get("X-Apikey-Reason")
}

// randomFleet is a cluster of random APIKeys, and the keys that belong to them.
type randomFleet struct {
	fleet operations.Fleet
	clock *clocktesting.FakeClock
	texts []string
}

var (
	environments = []v1alpha1.Environment{v1alpha1.EnvironmentProduction, v1alpha1.EnvironmentStaging, v1alpha1.EnvironmentDevelopment}
	permissions  = []v1alpha1.Permission{"customers:read", "customers:write", "orders:read"}
	customers    = []v1alpha1.Customer{"acme", "globex"}
	roles        = []v1alpha1.RoleName{"reader", "absent"}
)

// some returns a random part of a list.
func some[T any](random *rand.Rand, all []T) []T {
	all = slices.Clone(all)
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })

	return all[:random.IntN(len(all)+1)]
}

func newRandomFleet(t *testing.T, random *rand.Rand) *randomFleet {
	t.Helper()
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	f := &randomFleet{clock: clocktesting.NewFakeClock(now)}
	f.fleet = operations.Fleet{Clock: f.clock, Roles: []v1alpha1.APIKeyRole{{
		ObjectMeta: metav1.ObjectMeta{Name: "reader"}, Spec: v1alpha1.APIKeyRoleSpec{Permissions: []v1alpha1.Permission{"orders:read"}},
	}}}
	at := func() *metav1.Time { return &metav1.Time{Time: now.Add(time.Duration(random.IntN(7)-2) * time.Hour)} }
	for i := range 20 {
		apikey := v1alpha1.APIKey{
			ObjectMeta: metav1.ObjectMeta{
				Namespace:         "default",
				Name:              fmt.Sprint("key-", i),
				UID:               types.UID(fmt.Sprint("uid-", i)),
				CreationTimestamp: metav1.NewTime(now.Add(-time.Hour)),
			},
			Spec: v1alpha1.APIKeySpec{
				Environment: environments[random.IntN(3)],
				Permissions: some(random, permissions),
				Roles:       some(random, roles),
				Customers:   some(random, customers),
				Suspend:     random.IntN(6) == 0,
				Revoked:     random.IntN(10) == 0,
			},
		}
		switch random.IntN(5) {
		case 0:
			apikey.Spec.ExpiresAt = at()
		case 1:
			apikey.Status.ExpiresAt = at()
		case 2:
			apikey.Spec.ValidFor = v1alpha1.Duration(fmt.Sprint(1+random.IntN(3), "h"))
		}
		if random.IntN(12) == 0 {
			apikey.Status.Phase = []v1alpha1.Phase{v1alpha1.PhaseExpired, v1alpha1.PhaseRevoked, v1alpha1.PhaseSuspended}[random.IntN(3)]
		}
		if random.IntN(20) == 0 {
			apikey.DeletionTimestamp = at()
		}
		for range random.IntN(4) {
			key, err := keys.Generator{}.New(apikey.Spec.Environment)
			if err != nil {
				t.Fatal(err)
			}
			record := v1alpha1.KeyRecord{ID: key.Digest().ID(), Digest: key.Digest().String(), State: v1alpha1.KeyActive}
			if random.IntN(3) == 0 {
				record.State = []v1alpha1.KeyState{v1alpha1.KeyPending, v1alpha1.KeyRetiring}[random.IntN(2)]
			}
			if record.State == v1alpha1.KeyRetiring && random.IntN(5) > 0 {
				record.NotAfter = at()
			}
			f.texts = append(f.texts, key.Reveal())
			apikey.Status.Keys = append(apikey.Status.Keys, record)
		}
		if i > 0 && random.IntN(10) == 0 { // a digest that was copied
			apikey.Status.Keys = append(apikey.Status.Keys, f.fleet.APIKeys[random.IntN(i)].Status.Keys...)
		}
		f.fleet.APIKeys = append(f.fleet.APIKeys, apikey)
	}

	return f
}

// question returns a random request, mostly with a key of the fleet.
func (f *randomFleet) question(random *rand.Rand) operations.Question {
	var q operations.Question
	switch random.IntN(12) {
	case 0:
	case 1:
		key, err := keys.Generator{}.New(environments[random.IntN(3)])
		if err == nil {
			q.Key = key.Reveal()
		}
	case 2:
		q.Key = "no key"
	default:
		q.Key = f.texts[random.IntN(len(f.texts))]
	}
	if random.IntN(30) > 0 {
		q.Environment = environments[random.IntN(3)]
	}
	if random.IntN(2) == 0 {
		q.Permission = permissions[random.IntN(len(permissions))]
	}
	if random.IntN(2) == 0 {
		q.Customer = customers[random.IntN(len(customers))]
	}

	return q
}

// verifier returns the handler of a verifier that knows the fleet.
func (f *randomFleet) verifier(t *testing.T) http.Handler {
	t.Helper()
	index, err := keyindex.New(keyindex.Options{Log: slog.New(slog.DiscardHandler), Clock: f.clock, Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	for i := range f.fleet.Roles {
		if err := index.Roles().Add(&f.fleet.Roles[i]); err != nil {
			t.Fatal(err)
		}
	}
	for i := range f.fleet.APIKeys { // one by one, as a watch delivers them
		if err := index.APIKeys().Add(&f.fleet.APIKeys[i]); err != nil {
			t.Fatal(err)
		}
	}
	verifier, err := server.New(server.Options{
		Index: index, Limiter: noLimit{}, Uses: noUses{}, Clock: f.clock, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}

	return forwardauth.New(verifier)
}

// remedy makes the changes that an explanation names, if it names one for every check that refuses, and asks again.
func (f *randomFleet) remedy(t *testing.T, question operations.Question, explanation operations.Explanation) bool {
	t.Helper()
	if len(explanation.Remedies) == 0 || explanation.APIKey == nil {
		return false
	}
	changed := operations.Fleet{Clock: f.clock, Roles: f.fleet.Roles, APIKeys: slices.Clone(f.fleet.APIKeys)}
	at := slices.IndexFunc(changed.APIKeys, func(k v1alpha1.APIKey) bool { return k.Name == explanation.APIKey.Name })
	for _, remedy := range explanation.Remedies {
		if remedy.Change == nil {
			return false
		}
		changed.APIKeys[at] = *operations.Applied(&changed.APIKeys[at], remedy.Change)
	}
	again := &randomFleet{fleet: changed, clock: f.clock}
	if got := ask(t, again.verifier(t), question); got != access.Allowed.String() {
		t.Fatalf("after the changes of explain the verifier says %s to %s", got, f.describe(question))
	}

	return true
}

func (f *randomFleet) describe(q operations.Question) string {
	return fmt.Sprintf("%+v in %+v", q, f.fleet.APIKeys)
}

type noLimit struct{}

// Take implements server.Limiter.
func (noLimit) Take(context.Context, string, access.Limit) access.Quota {
	return access.Quota{Granted: true}
}

type noUses struct{}

// Used implements server.Uses.
func (noUses) Used(*access.Subject, time.Time) {}
