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

const (
	ok, refused, unavailable = 200, 401, 503

	// known is longer than a verifier may take to learn a fact, and soon is shorter.
	known, soon = 16 * time.Second, 5 * time.Second
)

func TestOracle(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(h *history)
		broken  []oracle.Rule
	}{
		"a live key is accepted":                     {func(h *history) { h.after(known).answers("k1", ok) }, nil},
		"a live key is refused":                      {func(h *history) { h.after(known).answers("k1", refused) }, []oracle.Rule{oracle.LiveRefused}},
		"a new key is refused for a moment":          {func(h *history) { h.after(soon).answers("k1", refused) }, nil},
		"a verifier is stale":                        {func(h *history) { h.after(known).answers("k1", unavailable) }, nil},
		"a verifier fails":                           {func(h *history) { h.after(known).answers("k1", 500) }, []oracle.Rule{oracle.WrongAnswer}},
		"an answer about a key that nobody has seen": {func(h *history) { h.after(known).answers("k9", ok) }, nil},

		"a revoked key is accepted for a moment": {func(h *history) {
			h.after(known).asks(schedule.Revoke)
			h.after(soon).answers("k1", ok)
		}, nil},
		"a revoked key is accepted": {func(h *history) {
			h.after(known).asks(schedule.Revoke)
			h.after(known).answers("k1", ok)
		}, []oracle.Rule{oracle.DeadAccepted}},
		"a key is refused while its revocation is under way": {func(h *history) {
			h.after(known)
			h.oracle.Begin(h.now, oracle.Intent{UID: uid, Kind: schedule.Revoke})
			h.after(time.Millisecond).answers("k1", refused)
		}, nil},
		"a suspended key is accepted": {func(h *history) {
			h.after(known).asks(schedule.Suspend)
			h.after(known).answers("k1", ok)
		}, []oracle.Rule{oracle.DeadAccepted}},
		"a resumed key is accepted": {func(h *history) {
			h.after(known).asks(schedule.Suspend)
			h.reports(ready(v1alpha1.PhaseSuspended))
			h.after(known).asks(schedule.Resume)
			h.reports(ready(v1alpha1.PhaseActive))
			h.after(known).answers("k1", ok)
		}, nil},
		"a resumed key is refused": {func(h *history) {
			h.after(known).asks(schedule.Suspend)
			h.reports(ready(v1alpha1.PhaseSuspended))
			h.after(known).asks(schedule.Resume)
			h.reports(ready(v1alpha1.PhaseActive))
			h.after(known).answers("k1", refused)
		}, []oracle.Rule{oracle.LiveRefused}},
		"a deleted APIKey's key is accepted": {func(h *history) {
			h.after(known).asks(schedule.Recreate)
			h.oracle.APIKeyGone(h.now, uid)
			h.after(known).answers("k1", ok)
		}, []oracle.Rule{oracle.DeadAccepted}},
		"an expiry applies to the moment": {func(h *history) {
			h.after(known).asks(schedule.Expire, func(i *oracle.Intent) { i.Ends = h.now.Add(30 * time.Second) })
			h.reports()
			h.after(29*time.Second).answers("k1", ok)
			h.after(time.Second).answers("k1", ok)
		}, []oracle.Rule{oracle.DeadAccepted}},
		"a key is refused before its expiry": {func(h *history) {
			h.after(known).asks(schedule.Expire, func(i *oracle.Intent) { i.Ends = h.now.Add(30 * time.Second) })
			h.reports()
			h.after(29*time.Second).answers("k1", refused)
		}, []oracle.Rule{oracle.LiveRefused}},

		"a replaced key is accepted": {func(h *history) {
			h.after(known).asks(schedule.Rotate, value("r1,overlap=0s", 0))
			h.settled("k2", rotated("r1,overlap=0s"))
			h.after(known).answers("k1", ok)
		}, []oracle.Rule{oracle.DeadAccepted}},
		"a replaced key is refused": {func(h *history) {
			h.after(known).asks(schedule.Rotate, value("r1,overlap=0s", 0))
			h.settled("k2", rotated("r1,overlap=0s"))
			h.after(known).answers("k1", refused)
			h.answers("k2", ok)
		}, nil},
		"a replaced key is refused in its overlap": {func(h *history) {
			h.after(known).asks(schedule.RotateOverlap, value("r1,overlap=40s", 40*time.Second))
			h.settled("k2", retiring("k1", h.now.Add(40*time.Second)), rotated("r1,overlap=40s"))
			h.after(known).answers("k1", refused)
		}, []oracle.Rule{oracle.LiveRefused}},
		"a replaced key is accepted after its overlap": {func(h *history) {
			h.after(known).asks(schedule.RotateOverlap, value("r1,overlap=40s", 40*time.Second))
			h.settled("k2", retiring("k1", h.now.Add(40*time.Second)), rotated("r1,overlap=40s"))
			h.after(40*time.Second).answers("k1", ok)
		}, []oracle.Rule{oracle.DeadAccepted}},
		"an earlier value rotates again": {func(h *history) {
			h.asks(schedule.Rotate, value("r1", 0))
			h.settled("k2", rotated("r1"))
			h.asks(schedule.RotateAgain, value("r1", 0))
			h.settled("k3", rotated("r1"))
		}, []oracle.Rule{oracle.RotatedTwice, oracle.ReplacedUnasked}},
		"a key is refused after an earlier value": {func(h *history) {
			h.asks(schedule.Rotate, value("r1", 0))
			h.settled("k2", rotated("r1"))
			h.after(known).asks(schedule.RotateAgain, value("r1", 0))
			h.after(time.Millisecond).answers("k2", refused)
		}, []oracle.Rule{oracle.LiveRefused}},
		"a request is taken for carried out": {func(h *history) {
			h.asks(schedule.Rotate, value("r1", 0))
			h.settled("k1", rotated("r1"))
		}, []oracle.Rule{oracle.NotRotated}},
		"a claim costs the key": {func(h *history) {
			h.after(known).asks(schedule.Claim)
			h.after(time.Millisecond).answers("k1", refused)
		}, []oracle.Rule{oracle.LiveRefused}},
		"the key of a deleted Secret stays": {func(h *history) {
			h.after(known).asks(schedule.DeleteSecret, func(i *oracle.Intent) { i.Secret = "s1" })
			h.oracle.SecretGone(h.now, uid, "s1")
			h.settled("k1")
		}, []oracle.Rule{oracle.Revived}},
		"a status and a Secret from before its deletion are restored": {func(h *history) {
			h.after(known).asks(schedule.DeleteSecret, func(i *oracle.Intent) { i.Secret = "s1" })
			h.oracle.SecretGone(h.now, uid, "s1")
			h.settled("k2")
			h.after(known).asks(schedule.RestoreStatus)
			h.asks(schedule.RestoreSecret, func(i *oracle.Intent) { i.Secret = "s1" })
			h.settled("k1")
		}, nil},

		"a planted key is accepted": {func(h *history) {
			h.oracle.Planted(uid, digest("p"), digest("p")[:12])
			h.answers("p", ok)
		}, []oracle.Rule{oracle.PlantedAccepted}},
		"a dead key is Active again": {func(h *history) {
			h.asks(schedule.Rotate, value("r1", 0))
			h.settled("k2", rotated("r1"))
			h.settled("k1", func(k *v1alpha1.APIKey) { k.Status.LastRotation.Trigger = v1alpha1.TriggerRecovered })
		}, []oracle.Rule{oracle.ReplacedUnasked, oracle.Revived}},
		"an overlap is lengthened": {func(h *history) {
			h.asks(schedule.RotateOverlap, value("r1,overlap=40s", 40*time.Second))
			end := h.now.Add(40 * time.Second)
			h.settled("k2", retiring("k1", end), rotated("r1,overlap=40s"))
			h.settled("k2", retiring("k1", end.Add(time.Second)))
		}, []oracle.Rule{oracle.Revived}},
		"a status from the past revives a key until the APIKey is settled": {func(h *history) {
			h.asks(schedule.Rotate, value("r1", 0))
			h.settled("k2", rotated("r1"))
			h.after(known).asks(schedule.RestoreStatus)
			h.reports(active("k1"))
			h.after(known).answers("k1", ok)
			h.answers("k2", refused)
			h.settled("k3", rotated("r1"))
		}, nil},
		"a key that a status from the past has revived stays": {func(h *history) {
			h.asks(schedule.Rotate, value("r1", 0))
			h.settled("k2", rotated("r1"))
			h.after(known).asks(schedule.RestoreStatus)
			h.reports(active("k1"))
			h.settled("k3", rotated("r1"))
			h.after(known).answers("k1", ok)
		}, []oracle.Rule{oracle.DeadAccepted}},
		"two Active records": {func(h *history) {
			h.reports(func(k *v1alpha1.APIKey) { k.Status.Keys = append(k.Status.Keys, record("k2", v1alpha1.KeyActive)) })
		}, []oracle.Rule{oracle.SeveralActive}},
		"an APIKey ends by itself": {func(h *history) {
			h.oracle.SecretGone(h.now, uid, "s1")
			h.reports(ready(v1alpha1.PhaseRevoked))
		}, []oracle.Rule{oracle.EndedUnasked}},
		"an APIKey expires before its time": {func(h *history) {
			h.asks(schedule.Expire, func(i *oracle.Intent) { i.Ends = h.now.Add(30 * time.Second) })
			h.oracle.SecretGone(h.now, uid, "s1")
			h.after(29 * time.Second).reports(ready(v1alpha1.PhaseExpired))
		}, []oracle.Rule{oracle.EndedUnasked}},
		"an APIKey expires in its time": {func(h *history) {
			h.asks(schedule.Expire, func(i *oracle.Intent) { i.Ends = h.now.Add(30 * time.Second) })
			h.oracle.SecretGone(h.now, uid, "s1")
			h.after(30 * time.Second).reports(ready(v1alpha1.PhaseExpired))
		}, nil},
		"an APIKey with an expiry is revoked by itself": {func(h *history) {
			h.asks(schedule.Expire, func(i *oracle.Intent) { i.Ends = h.now.Add(30 * time.Second) })
			h.oracle.SecretGone(h.now, uid, "s1")
			h.after(30 * time.Second).reports(ready(v1alpha1.PhaseRevoked))
		}, []oracle.Rule{oracle.EndedUnasked}},
		"an APIKey is deleted by itself": {func(h *history) {
			h.oracle.APIKeyGone(h.now, uid)
		}, []oracle.Rule{oracle.EndedUnasked}},
		"an APIKey ends on request": {func(h *history) {
			h.asks(schedule.Revoke)
			h.oracle.SecretGone(h.now, uid, "s1")
			h.reports(ready(v1alpha1.PhaseRevoked))
		}, nil},
		"a request is not carried out": {func(h *history) {
			h.asks(schedule.Rotate, value("r1", 0))
			h.reports(func(k *v1alpha1.APIKey) { k.Annotations = map[string]string{v1alpha1.RotateAnnotation: "r1"} })
			h.after(84 * time.Second).oracle.CheckOverdue(h.now)
		}, []oracle.Rule{oracle.Overdue}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory(t)
			c.happens(h)
			h.broken(c.broken...)
		})
	}
}

func TestBudgets(t *testing.T) {
	const verifier, other = schedule.Verifier1, schedule.Verifier2
	for name, c := range map[string]struct {
		// happens after a revocation that was acknowledged, and takes time.
		happens func(h *history)
		// late says that a verifier that accepts the key after that is too late.
		late bool
	}{
		"nothing, for less than the budget": {func(h *history) { h.after(14 * time.Second) }, false},
		"nothing, for the budget":           {func(h *history) { h.after(15 * time.Second) }, true},
		"the verifier is stopped": {func(h *history) {
			h.oracle.Stopped(h.after(7*time.Second).now, verifier, true)
			h.oracle.Stopped(h.after(time.Minute).now, verifier, false)
			h.after(7 * time.Second)
		}, false},
		"the verifier is stopped, and healthy for the budget in sum": {func(h *history) {
			h.oracle.Stopped(h.after(7*time.Second).now, verifier, true)
			h.oracle.Stopped(h.after(time.Minute).now, verifier, false)
			h.after(9 * time.Second)
		}, true},
		"the verifier is killed, and healthy for the budget in sum": {func(h *history) {
			h.oracle.Ready(h.after(7*time.Second).now, verifier, false)
			h.oracle.Ready(h.after(time.Minute).now, verifier, true)
			h.after(9 * time.Second)
		}, true},
		"the connection fails, and the count begins anew": {func(h *history) {
			h.oracle.Connection(h.after(14*time.Second).now, verifier, true)
			h.oracle.Connection(h.after(time.Second).now, verifier, false)
			h.after(14 * time.Second)
		}, false},
		"the connection fails and is there for the budget": {func(h *history) {
			h.oracle.Connection(h.after(14*time.Second).now, verifier, true)
			h.oracle.Connection(h.after(time.Second).now, verifier, false)
			h.after(15 * time.Second)
		}, true},
		"the connection of another verifier fails": {func(h *history) {
			h.oracle.Connection(h.after(time.Second).now, other, true)
			h.after(14 * time.Second)
		}, true},
		"the API server fails": {func(h *history) {
			h.oracle.ControlPlane(h.after(14*time.Second).now, schedule.APIServer, true)
			h.oracle.ControlPlane(h.after(time.Second).now, schedule.APIServer, false)
			h.after(14 * time.Second)
		}, false},
		"etcd fails for long": {func(h *history) {
			h.oracle.ControlPlane(h.after(time.Second).now, schedule.Etcd, true)
			h.after(time.Hour)
		}, false},
		"everything fails after the budget": {func(h *history) {
			h.oracle.ControlPlane(h.after(15*time.Second).now, schedule.Etcd, true)
			h.oracle.Connection(h.now, verifier, true)
			h.after(time.Second)
		}, true},
		"the machine stands still": {func(h *history) {
			h.oracle.Starved(h.after(14 * time.Second).now)
			h.after(14 * time.Second)
		}, false},
		"an operator is away": {func(h *history) {
			h.oracle.Ready(h.now, schedule.Operator1, false)
			h.oracle.Ready(h.now, schedule.Operator2, false)
			h.after(15 * time.Second)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory(t)
			h.after(known).asks(schedule.Revoke)
			c.happens(h)
			h.answersBy(verifier, "k1", ok)
			h.answersBy(verifier, "k1", refused)
			if c.late {
				h.broken(oracle.DeadAccepted)
			} else {
				h.broken()
			}
		})
	}
}

func TestLeaderBudget(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(h *history)
		late    bool
	}{
		"a leader for less than the budget": {func(h *history) { h.after(74 * time.Second) }, false},
		"a leader for the budget":           {func(h *history) { h.after(76 * time.Second) }, true},
		"no leader": {func(h *history) {
			h.oracle.Ready(h.now, schedule.Operator1, false)
			h.oracle.Ready(h.now, schedule.Operator2, false)
			h.after(time.Hour)
		}, false},
		"one of two operators": {func(h *history) {
			h.oracle.Ready(h.now, schedule.Operator1, false)
			h.after(76 * time.Second)
		}, true},
		"operators that end before they can lead": {func(h *history) {
			for range 20 {
				for _, operator := range schedule.Operators() {
					h.oracle.Ready(h.now, operator, false)
					h.oracle.Ready(h.now, operator, true)
				}
				h.after(7 * time.Second)
			}
		}, false},
		"an operator that stands still, maybe the leader": {func(h *history) {
			h.oracle.Stopped(h.now, schedule.Operator2, true)
			h.after(time.Hour)
		}, false},
		"short stops": {func(h *history) {
			for range 80 {
				h.oracle.Stopped(h.now, schedule.Operator2, true)
				h.oracle.Stopped(h.after(100*time.Millisecond).now, schedule.Operator2, false)
				h.after(time.Second)
			}
		}, true},
		"an API server that is away": {func(h *history) {
			h.oracle.ControlPlane(h.now, schedule.APIServer, true)
			h.after(time.Hour)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory(t)
			h.after(known).asks(schedule.Suspend)
			h.reports(func(k *v1alpha1.APIKey) { k.Generation = 2 })
			c.happens(h)
			h.oracle.CheckOverdue(h.now)
			if c.late {
				h.broken(oracle.Overdue)
			} else {
				h.broken()
			}
		})
	}
}
