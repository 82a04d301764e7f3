// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/hack/soak/oracle"
	"github.com/apikey-operator/apikey-operator/hack/soak/schedule"
)

func TestExpectedInTheEnd(t *testing.T) {
	h := newHistory(t)
	h.oracle.Planted(uid, digest("p"), digest("p")[:12])
	h.asks(schedule.Rotate, value("r1", 0))
	h.settled("k2", rotated("r1"))
	h.asks(schedule.RotateOverlap, value("r2,overlap=90s", 90*time.Second))
	h.settled("k3", retiring("k2", h.now.Add(90*time.Second)), rotated("r2,overlap=90s"))
	want := map[string]bool{digest("k1"): false, digest("k2"): true, digest("k3"): true, digest("p"): false}
	if diff := cmp.Diff(want, expected(h)); diff != "" {
		t.Errorf("keys:\n%s", diff)
	}
	h.after(80 * time.Second)
	delete(want, digest("k2")) // its time comes
	if diff := cmp.Diff(want, expected(h)); diff != "" {
		t.Errorf("keys near the end of an overlap:\n%s", diff)
	}
}

func expected(h *history) map[string]bool {
	keys := map[string]bool{}
	for _, e := range h.oracle.Expected(h.now, 20*time.Second) {
		keys[e.Digest] = e.Accepted
	}

	return keys
}

func TestCheckFinal(t *testing.T) {
	h := newHistory(t)
	live, dead := oracle.Expected{Digest: "a", Accepted: true}, oracle.Expected{Digest: "b"}
	h.oracle.CheckFinal(live, oracle.Answer{Code: ok})
	h.oracle.CheckFinal(dead, oracle.Answer{Code: refused})
	h.broken()
	h.oracle.CheckFinal(live, oracle.Answer{Code: unavailable})
	h.oracle.CheckFinal(dead, oracle.Answer{Code: ok})
	h.broken(oracle.LiveRefused, oracle.DeadAccepted)
}

func TestUnsettled(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(h *history)
		settled bool
	}{
		"as declared":            {func(*history) {}, true},
		"a request is under way": {func(h *history) { h.oracle.Begin(h.now, oracle.Intent{UID: uid, Kind: schedule.Rename}) }, false},
		"a request has failed": {func(h *history) {
			h.oracle.Void(h.now, h.oracle.Begin(h.now, oracle.Intent{UID: uid, Kind: schedule.Rename}))
		}, true},
		"a change is not acted on": {func(h *history) { h.reports(func(k *v1alpha1.APIKey) { k.Generation++ }) }, false},
		"the Secret has changed":   {func(h *history) { h.holds("k1") }, false},
		"the Secret is gone":       {func(h *history) { h.oracle.SecretGone(h.now, uid, "s1") }, false},
		"a key is announced": {func(h *history) {
			h.reports(func(k *v1alpha1.APIKey) { k.Status.Keys = append(k.Status.Keys, record("k2", v1alpha1.KeyPending)) })
		}, false},
		"an annotation is not acted on": {func(h *history) {
			h.reports(func(k *v1alpha1.APIKey) { k.Annotations = map[string]string{v1alpha1.RotateAnnotation: "r1"} })
		}, false},
		"the Secret holds another key": {func(h *history) { h.holds("k2"); h.reports(h.ref()) }, false},
		"it has ended, with a Secret":  {func(h *history) { h.asks(schedule.Revoke); h.reports(ready(v1alpha1.PhaseRevoked)) }, false},
		"it has ended, without a Secret": {func(h *history) {
			h.asks(schedule.Revoke)
			h.oracle.SecretGone(h.now, uid, "s1")
			h.reports(ready(v1alpha1.PhaseRevoked))
		}, true},
		"it was created and deleted while nothing was seen": {func(h *history) {
			h.oracle.Created(h.now, &v1alpha1.APIKey{ObjectMeta: metav1.ObjectMeta{Name: "main", UID: "u2"}})
			h.oracle.Acked(h.now, h.oracle.Begin(h.now, oracle.Intent{UID: "u2", Kind: schedule.Recreate}), 0)
		}, true},
		"it was deleted": {func(h *history) { h.holds("k2"); h.oracle.APIKeyGone(h.now, uid) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory(t)
			c.happens(h)
			if got := h.oracle.Unsettled(); (len(got) == 0) != c.settled {
				t.Errorf("not settled: %v", got)
			}
		})
	}
}

func TestCompletedAfter(t *testing.T) {
	h := newHistory(t)
	first := h.now
	h.after(time.Minute).asks(schedule.Rename)
	h.reports()
	if at, found := h.oracle.CompletedAfter(first); !found || !at.Equal(h.now) {
		t.Errorf("after the first: %s, %t", at, found)
	}
	if at, found := h.oracle.CompletedAfter(first.Add(-time.Second)); !found || !at.Equal(first) {
		t.Errorf("after the begin: %s, %t", at, found)
	}
	if at, found := h.oracle.CompletedAfter(h.now); found {
		t.Errorf("after the last: %s", at)
	}
}
