// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle_test

import (
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/hack/soak/oracle"
	"github.com/apikey-operator/apikey-operator/hack/soak/schedule"
)

func specOverlap(overlap v1alpha1.Duration) func(*v1alpha1.APIKey) {
	return func(k *v1alpha1.APIKey) { k.Spec.Rotation = &v1alpha1.Rotation{Overlap: overlap} }
}

func ofSecret(i *oracle.Intent) { i.Secret = "s1" }

// A key is replaced because a request says so, and the old one ends when the request says.
func TestReplacements(t *testing.T) {
	const overlap = 40 * time.Second
	for name, c := range map[string]struct {
		happens func(h *history)
		broken  []oracle.Rule
	}{
		"no request": {func(h *history) { h.settled("k2") }, []oracle.Rule{oracle.ReplacedUnasked}},
		"a new name": {func(h *history) {
			h.asks(schedule.Rename)
			h.settled("k2")
		}, []oracle.Rule{oracle.ReplacedUnasked}},
		"a rotation that was carried out before": {func(h *history) {
			h.asks(schedule.Rotate, value("r1", 0))
			h.settled("k2", rotated("r1"))
			h.settled("k3", func(k *v1alpha1.APIKey) { k.Status.LastRotation.Trigger = v1alpha1.TriggerRecovered })
		}, []oracle.Rule{oracle.ReplacedUnasked}},
		"a Secret that was deleted": {func(h *history) {
			h.asks(schedule.DeleteSecret, ofSecret)
			h.oracle.SecretGone(h.now, uid, "s1")
			h.settled("k2")
		}, nil},
		"a status that was restored": {func(h *history) {
			h.asks(schedule.RestoreStatus)
			h.settled("k2", retiring("k1", h.now.Add(time.Hour)))
		}, nil},

		"an overlap as asked for": {func(h *history) {
			h.asks(schedule.RotateOverlap, value("r1,overlap=40s", overlap))
			h.after(5 * time.Second)
			h.settled("k2", retiring("k1", h.now.Add(overlap)), rotated("r1,overlap=40s"))
		}, nil},
		"a longer overlap": {func(h *history) {
			h.asks(schedule.RotateOverlap, value("r1,overlap=40s", overlap))
			h.settled("k2", retiring("k1", h.now.Add(overlap+2*time.Second)), rotated("r1,overlap=40s"))
		}, []oracle.Rule{oracle.Prolonged}},
		"an overlap without an end": {func(h *history) {
			h.asks(schedule.RotateOverlap, value("r1,overlap=40s", overlap))
			h.settled("k2", retiring("k1", h.now), func(k *v1alpha1.APIKey) { k.Status.Keys[1].NotAfter = nil }, rotated("r1,overlap=40s"))
		}, []oracle.Rule{oracle.Prolonged}},
		"an overlap of the spec, and none was asked for": {func(h *history) {
			h.asks(schedule.Rotate, value("r1,overlap=0s", 0))
			h.settled("k2", specOverlap("40s"), retiring("k1", h.now.Add(overlap)), rotated("r1,overlap=0s"))
		}, []oracle.Rule{oracle.Prolonged}},
		"an overlap of the spec after an edit of the Secret": {func(h *history) {
			h.asks(schedule.EditSecret, ofSecret)
			h.oracle.SecretGone(h.now, uid, "s1")
			h.settled("k2", specOverlap("40s"), retiring("k1", h.now.Add(overlap)))
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory(t)
			c.happens(h)
			h.broken(c.broken...)
		})
	}
}

// A watch that was interrupted may show the end of a Secret after a status was restored, and the key may be Active again.
func TestEndOfASecretIsSeenAfterARestore(t *testing.T) {
	h := newHistory(t)
	h.asks(schedule.DeleteSecret, ofSecret)
	h.asks(schedule.RestoreStatus)
	h.oracle.SecretGone(h.now, uid, "s1")
	h.settled("k1")
	h.broken()
}

// A Secret that is deleted after a restore stops its key.
func TestASecretIsDeletedAfterARestore(t *testing.T) {
	h := newHistory(t)
	h.asks(schedule.RestoreStatus)
	h.asks(schedule.DeleteSecret, ofSecret)
	h.oracle.SecretGone(h.now, uid, "s1")
	h.settled("k1")
	h.broken(oracle.Revived)
}
