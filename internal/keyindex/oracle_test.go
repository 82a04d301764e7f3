// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex_test

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/keyindex"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

func newIndex(t testing.TB) *keyindex.Index {
	t.Helper()
	index, err := keyindex.New(keyindex.Options{
		Log: slog.New(slog.DiscardHandler), Clock: clock.RealClock{}, Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}

	return index
}

// Both tests below change a cluster at random and compare the index with the contract, as the model works it out from the
// objects. Everything that a watch can deliver is among the changes, also a list after an interruption.

func TestIndexAgreesWithTheContractAfterEveryChange(t *testing.T) {
	for seed := range uint64(20) {
		m, index := newModel(seed), newIndex(t)
		apiKeys, roles := index.APIKeys(), index.Roles()
		for range 300 {
			m.change(t, 12, apiKeys, roles)
			for _, text := range m.texts[max(0, len(m.texts)-40):] {
				r := m.ask()
				if want, got := m.verdict(text, r), decide(index, m, text, r); got != want {
					t.Fatalf("seed %d: %s: %s, want %s", seed, text, got, want)
				}
			}
		}
		// Nothing of what has gone is left.
		m.apis, m.roles = map[string]*v1alpha1.APIKey{}, map[string]*v1alpha1.APIKeyRole{}
		m.relist(t, apiKeys, roles)
		for _, text := range m.texts {
			if index.Find(keys.DigestOf(text)) != nil {
				t.Fatalf("seed %d: %s outlives its APIKey", seed, text)
			}
		}
		if entries, roles, disputes := index.Sizes(); entries+roles+disputes != 0 {
			t.Fatalf("seed %d: %d entries, %d roles, %d disputes are left", seed, entries, roles, disputes)
		}
	}
}

// TestLengthyTenMillionDecisionsAgreeWithTheContract makes a fiftieth of its decisions with the race detector, which has nothing to find here: one
// goroutine decides, on random input.
func TestLengthyTenMillionDecisionsAgreeWithTheContract(t *testing.T) {
	rounds, decisions := 10, 10_000_000
	if raceDetector {
		rounds, decisions = 2, decisions/50
	}
	m, index := newModel(4711), newIndex(t)
	apiKeys, roles := index.APIKeys(), index.Roles()
	reasons := map[string]int{}
	for range rounds {
		for range 2_000 {
			m.change(t, 4_000, apiKeys, roles)
		}
		m.decideMany(t, index, decisions/rounds, reasons)
	}
	t.Logf("decisions by reason: %v", reasons)
	for _, reason := range []string{
		"allowed", "unknown", "disputed", "revoked", "expired", "suspended", "wrong_environment", "permission_denied", "customer_denied",
	} {
		if reasons[reason] < decisions/1_000 {
			t.Errorf("only %d decisions were %s: they are not tested by this", reasons[reason], reason)
		}
	}
}

// decideMany asks for every credential in turn. Which APIKeys have it is looked up once: the model would take days.
func (m *model) decideMany(t *testing.T, index *keyindex.Index, count int, reasons map[string]int) {
	t.Helper()
	type holder struct {
		key     *v1alpha1.APIKey
		records []v1alpha1.KeyRecord
	}
	holders := map[string][]holder{}
	for _, key := range m.apis {
		mine := map[string][]v1alpha1.KeyRecord{}
		for _, r := range key.Status.Keys {
			mine[r.Digest] = append(mine[r.Digest], r)
		}
		for digest, records := range mine {
			holders[digest] = append(holders[digest], holder{key: key, records: records})
		}
	}
	m.texts = slices.DeleteFunc(m.texts, func(text string) bool { // most of those that are gone
		return holders[keys.DigestOf(text).String()] == nil && m.random.IntN(10) != 0
	})
	all := make([][]holder, len(m.texts))
	digests := make([]keys.Digest, len(m.texts))
	for i, text := range m.texts {
		digests[i] = keys.DigestOf(text)
		all[i] = holders[digests[i].String()]
	}
	for i := range count {
		at := i % len(all)
		r := m.ask()
		want := "disputed"
		switch len(all[at]) {
		case 0:
			want = "unknown"
		case 1:
			want = m.oracle(all[at][0].key, all[at][0].records, r)
		}
		got := access.Decide(&r, index.Find(digests[at]), m.now).Reason.String()
		reasons[got]++
		if got != want {
			t.Fatalf("decision %d, of %s: %s, want %s", i, m.texts[at], got, want)
		}
	}
}

func decide(index *keyindex.Index, m *model, text string, r access.Request) string {
	return access.Decide(&r, index.Find(keys.DigestOf(text)), m.now).Reason.String()
}

// change changes the cluster and tells the index as a watch does.
func (m *model) change(t *testing.T, apis int, apiKeys, roles cache.ReflectorStore) {
	t.Helper()
	name := fmt.Sprint("k", m.random.IntN(apis))
	var err error
	switch m.random.IntN(100) {
	case 0: // a watch that was interrupted begins with a list
		for range 3 {
			other := fmt.Sprint("k", m.random.IntN(apis))
			if m.random.IntN(2) == 0 {
				delete(m.apis, other)
			} else {
				m.apis[other] = m.apiKey(other)
			}
		}
		m.relist(t, apiKeys, roles)
	case 1, 2, 3, 4, 5:
		role := m.role(fmt.Sprint("r", m.random.IntN(3)))
		m.roles[role.Name] = role
		err = roles.Update(role.DeepCopy())
	case 6, 7:
		role := m.role(fmt.Sprint("r", m.random.IntN(3)))
		if m.roles[role.Name] != nil {
			delete(m.roles, role.Name)
			err = roles.Delete(role)
		}
	case 8, 9, 10, 11, 12, 13, 14, 15:
		if key := m.apis[name]; key != nil {
			delete(m.apis, name)
			err = apiKeys.Delete(key.DeepCopy())
		}
	case 16, 17, 18: // the time passes
		m.now = m.now.Add(time.Second)
	default:
		key := m.apiKey(name)
		if old := m.apis[name]; old != nil && m.random.IntN(2) == 0 {
			key.Status.Keys = old.Status.Keys // the same keys in another state
		}
		m.apis[name] = key
		err = apiKeys.Add(key.DeepCopy())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// relist delivers everything, once as it is and once as it streams in.
func (m *model) relist(t *testing.T, apiKeys, roles cache.ReflectorStore) {
	t.Helper()
	var list, streamed []any
	for _, key := range m.apis {
		streaming, ok := apiKeys.(cache.TransformingStore)
		if !ok {
			t.Fatal("the store does not convert while objects stream in")
		}
		converted, err := streaming.Transformer()(key.DeepCopy())
		if err != nil {
			t.Fatal(err)
		}
		list, streamed = append(list, key.DeepCopy()), append(streamed, converted)
	}
	if m.random.IntN(2) == 0 {
		list = streamed
	}
	var all []any
	for _, role := range m.roles {
		all = append(all, role.DeepCopy())
	}
	if err := apiKeys.Replace(list, "1"); err != nil {
		t.Fatal(err)
	}
	if err := roles.Replace(all, "1"); err != nil {
		t.Fatal(err)
	}
}
