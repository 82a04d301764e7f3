// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testclock "k8s.io/utils/clock/testing"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/controller"
)

var inventoryNow = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// inventoried returns an active Production APIKey that was created just now, after the given change.
func inventoried(uid string, change func(*v1alpha1.APIKey)) *v1alpha1.APIKey {
	apikey := &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{UID: types.UID(uid), CreationTimestamp: metav1.NewTime(inventoryNow)},
		Spec:       v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentProduction},
		Status:     v1alpha1.APIKeyStatus{Phase: v1alpha1.PhaseActive},
	}
	change(apikey)

	return apikey
}

// counted returns the series of an Inventory that are not 0, such as "apikeys Production Active".
func counted(t *testing.T, inventory *controller.Inventory) map[string]int {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(inventory); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			words := []string{strings.TrimPrefix(family.GetName(), "apikey_operator_apikeys")}
			for _, label := range metric.GetLabel() {
				words = append(words, label.GetValue())
			}
			if value := int(metric.GetGauge().GetValue()); value != 0 {
				counts[strings.Join(words, " ")] = value
			}
		}
	}

	return counts
}

func TestInventoryCounts(t *testing.T) {
	after := func(d time.Duration) *metav1.Time { at := metav1.NewTime(inventoryNow.Add(d)); return &at }
	created := func(age time.Duration) func(*v1alpha1.APIKey) {
		return func(k *v1alpha1.APIKey) { k.CreationTimestamp = *after(-age) }
	}
	expires := func(d time.Duration) func(*v1alpha1.APIKey) {
		return func(k *v1alpha1.APIKey) { k.Status.ExpiresAt, k.CreationTimestamp = after(d), *after(-time.Hour) }
	}
	lives := func(age, left time.Duration) func(*v1alpha1.APIKey) {
		return func(k *v1alpha1.APIKey) { created(age)(k); k.Status.ExpiresAt = after(left) }
	}
	const active = " Production Active"
	for sentence, c := range map[string]struct {
		change func(*v1alpha1.APIKey)
		want   map[string]int
	}{
		"an active key": {func(*v1alpha1.APIKey) {}, map[string]int{active: 1}},
		"a key that the operator has not seen": {
			func(k *v1alpha1.APIKey) { k.Status.Phase = v1alpha1.PhasePending },
			map[string]int{" Production Pending": 1},
		},
		"a key of an unknown phase":    {func(k *v1alpha1.APIKey) { k.Status.Phase = "Later" }, map[string]int{}},
		"a key that expires in a year": {expires(365 * 24 * time.Hour), map[string]int{active: 1}},
		"a key that expires in 30 days": {
			expires(720 * time.Hour), map[string]int{active: 1, "_expiring Production 720h": 1, "_expiring_soon Production 720h": 1},
		},
		"a key that expires in 30 days and 1 s": {expires(720*time.Hour + time.Second), map[string]int{active: 1}},
		"a key that expires in 7 days": {
			expires(168 * time.Hour),
			map[string]int{
				active: 1, "_expiring Production 720h": 1, "_expiring Production 168h": 1, "_expiring_soon Production 168h": 1,
			},
		},
		"a key for 5 days that expires in 4": {
			lives(24*time.Hour, 96*time.Hour), map[string]int{active: 1, "_expiring Production 720h": 1, "_expiring Production 168h": 1},
		},
		"a key for 5 days that expires in a day": {
			lives(96*time.Hour, 24*time.Hour),
			map[string]int{
				active: 1, "_expiring Production 720h": 1, "_expiring Production 168h": 1, "_expiring Production 24h": 1,
				"_expiring_soon Production 24h": 1,
			},
		},
		"a key for a year that expires today": {
			lives(8760*time.Hour, time.Hour),
			map[string]int{
				active: 1, "_expiring Production 720h": 1, "_expiring Production 168h": 1, "_expiring Production 24h": 1,
				"_expiring_soon Production 720h": 1, "_expiring_soon Production 168h": 1, "_expiring_soon Production 24h": 1,
				"_unused Production 720h": 1, "_unused Production 2160h": 1,
			},
		},
		"a key for two hours that expires in one": {
			expires(time.Hour),
			map[string]int{active: 1, "_expiring Production 720h": 1, "_expiring Production 168h": 1, "_expiring Production 24h": 1},
		},
		"a suspended key that expires today": {
			func(k *v1alpha1.APIKey) { expires(time.Hour)(k); k.Status.Phase = v1alpha1.PhaseSuspended },
			map[string]int{" Production Suspended": 1},
		},
		"a key that was never used for 29 days": {created(696 * time.Hour), map[string]int{active: 1}},
		"a key that was never used for 30 days": {created(720 * time.Hour), map[string]int{active: 1, "_unused Production 720h": 1}},
		"a key that was never used for 90 days": {
			created(2160 * time.Hour),
			map[string]int{active: 1, "_unused Production 720h": 1, "_unused Production 2160h": 1},
		},
		"an old key that was used just now": {
			func(k *v1alpha1.APIKey) { created(9000 * time.Hour)(k); k.Status.LastUsedAt = after(0) },
			map[string]int{active: 1},
		},
		"an old key that was used 31 days ago": {
			func(k *v1alpha1.APIKey) { created(9000 * time.Hour)(k); k.Status.LastUsedAt = after(-744 * time.Hour) },
			map[string]int{active: 1, "_unused Production 720h": 1},
		},
		"a revoked key that was never used": {
			func(k *v1alpha1.APIKey) { created(9000 * time.Hour)(k); k.Status.Phase = v1alpha1.PhaseRevoked },
			map[string]int{" Production Revoked": 1},
		},
		"a key whose Secret belongs to another": {
			ready(metav1.ConditionFalse, v1alpha1.ReasonSecretConflict),
			map[string]int{active: 1, "_not_ready SecretConflict": 1},
		},
		"a key that is being minted": {ready(metav1.ConditionFalse, v1alpha1.ReasonMinting), map[string]int{active: 1}},
		"a key that is Ready":        {ready(metav1.ConditionTrue, v1alpha1.ReasonMinted), map[string]int{active: 1}},
	} {
		t.Run(sentence, func(t *testing.T) {
			inventory := controller.NewInventory(testclock.NewFakePassiveClock(inventoryNow))
			apikey := inventoried("one", c.change)
			inventory.Update(nil, apikey)
			if diff := cmp.Diff(c.want, counted(t, inventory)); diff != "" {
				t.Error(diff)
			}
			inventory.Update(apikey, nil)
			if left := counted(t, inventory); len(left) > 0 {
				t.Errorf("after its deletion it still counts: %v", left)
			}
		})
	}
}

func ready(status metav1.ConditionStatus, reason string) func(*v1alpha1.APIKey) {
	return func(k *v1alpha1.APIKey) {
		k.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: status, Reason: reason}}
	}
}

func TestInventoryFollowsChanges(t *testing.T) {
	clock := testclock.NewFakePassiveClock(inventoryNow)
	inventory := controller.NewInventory(clock)
	expiry := metav1.NewTime(inventoryNow.Add(721 * time.Hour))
	first := inventoried("first", func(k *v1alpha1.APIKey) { k.Status.ExpiresAt = &expiry })
	inventory.Update(nil, first)
	suspended := inventoried("first", func(k *v1alpha1.APIKey) { k.Status.Phase = v1alpha1.PhaseSuspended })
	inventory.Update(first, suspended)
	if diff := cmp.Diff(map[string]int{" Production Suspended": 1}, counted(t, inventory)); diff != "" {
		t.Error(diff)
	}
	second := inventoried("second", func(k *v1alpha1.APIKey) { k.Status.ExpiresAt = &expiry })
	inventory.Update(suspended, second) // deleted and created anew, in one event
	if diff := cmp.Diff(map[string]int{" Production Active": 1}, counted(t, inventory)); diff != "" {
		t.Error(diff)
	}
	clock.SetTime(inventoryNow.Add(time.Hour)) // nothing happens but that time passes
	soon := map[string]int{" Production Active": 1, "_expiring Production 720h": 1, "_expiring_soon Production 720h": 1}
	if diff := cmp.Diff(soon, counted(t, inventory)); diff != "" {
		t.Error(diff)
	}
}

// BenchmarkInventory measures one scrape.
func BenchmarkInventory(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(fmt.Sprintf("apikeys=%d", n), func(b *testing.B) {
			inventory := controller.NewInventory(testclock.NewFakePassiveClock(inventoryNow))
			for i := range n {
				inventory.Update(nil, inventoried(fmt.Sprint(i), func(*v1alpha1.APIKey) {}))
			}
			registry := prometheus.NewRegistry()
			registry.MustRegister(inventory)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := registry.Gather(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
