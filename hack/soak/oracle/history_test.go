// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/hack/soak/oracle"
	"github.com/apikey-operator/apikey-operator/hack/soak/schedule"
)

const uid = types.UID("u1")

// history feeds an oracle. Its clock moves only when a test moves it.
type history struct {
	t       *testing.T
	oracle  *oracle.Oracle
	now     time.Time
	version uint64
	apikey  *v1alpha1.APIKey
	secret  *oracle.Secret
}

// newHistory begins a history in which everything is healthy, with one settled APIKey that has the key k1.
func newHistory(t *testing.T, changes ...func(*v1alpha1.APIKey)) *history {
	t.Helper()
	h := &history{t: t, oracle: oracle.New(), now: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC), version: 100}
	for _, target := range append(schedule.Operators(), schedule.Verifiers()...) {
		h.oracle.Ready(h.now, target, true)
	}
	h.apikey = &v1alpha1.APIKey{ObjectMeta: metav1.ObjectMeta{
		Name: "main", UID: uid, Generation: 1, ResourceVersion: "1", CreationTimestamp: metav1.NewTime(h.now),
	}}
	for _, change := range changes {
		change(h.apikey)
	}
	h.oracle.Created(h.now, h.apikey.DeepCopy())
	h.settled("k1")

	return h
}

// digest returns the digest that stands for a key.
func digest(key string) string {
	sum := sha256.Sum256([]byte(key))

	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (h *history) next() string {
	h.version++

	return fmt.Sprint(h.version)
}

// after lets time pass.
func (h *history) after(d time.Duration) *history {
	h.now = h.now.Add(d)

	return h
}

// holds lets the Secret hold keys.
func (h *history) holds(keys ...string) {
	h.secret = &oracle.Secret{Name: "main", UID: "s1", Owner: uid, ResourceVersion: h.next()}
	for _, key := range keys {
		h.secret.Keys = append(h.secret.Keys, digest(key))
	}
	h.oracle.SecretSeen(h.now, h.secret)
}

// reports shows a version of the APIKey with changes.
func (h *history) reports(changes ...func(*v1alpha1.APIKey)) {
	h.apikey = h.apikey.DeepCopy()
	h.apikey.ResourceVersion = h.next()
	for _, change := range changes {
		change(h.apikey)
	}
	h.oracle.APIKeySeen(h.now, h.apikey)
}

// settled lets the Secret hold a key, and the status say so.
func (h *history) settled(key string, changes ...func(*v1alpha1.APIKey)) {
	h.holds(key)
	h.reports(append([]func(*v1alpha1.APIKey){active(key), h.ref(), ready(v1alpha1.PhaseActive)}, changes...)...)
}

func record(key string, state v1alpha1.KeyState) v1alpha1.KeyRecord {
	return v1alpha1.KeyRecord{ID: digest(key)[:12], Digest: digest(key), State: state}
}

// active makes a key the only one.
func active(key string) func(*v1alpha1.APIKey) {
	return func(k *v1alpha1.APIKey) { k.Status.Keys = []v1alpha1.KeyRecord{record(key, v1alpha1.KeyActive)} }
}

// retiring adds a record.
func retiring(key string, until time.Time) func(*v1alpha1.APIKey) {
	return func(k *v1alpha1.APIKey) {
		r := record(key, v1alpha1.KeyRetiring)
		r.NotAfter = &metav1.Time{Time: until}
		k.Status.Keys = append(k.Status.Keys, r)
	}
}

// ref makes the status name the present version of the Secret.
func (h *history) ref() func(*v1alpha1.APIKey) {
	return func(k *v1alpha1.APIKey) {
		k.Status.SecretRef = &v1alpha1.SecretReference{Name: h.secret.Name, UID: h.secret.UID, ResourceVersion: h.secret.ResourceVersion}
	}
}

// ready reports the generation as acted on.
func ready(phase v1alpha1.Phase) func(*v1alpha1.APIKey) {
	return func(k *v1alpha1.APIKey) {
		k.Status.ObservedGeneration, k.Status.Phase = k.Generation, phase
		k.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue}}
	}
}

// rotated reports a rotation by a value of the annotation.
func rotated(value string) func(*v1alpha1.APIKey) {
	return func(k *v1alpha1.APIKey) {
		k.Annotations = map[string]string{v1alpha1.RotateAnnotation: value}
		k.Status.LastRotation = &v1alpha1.LastRotation{Trigger: v1alpha1.TriggerAnnotation, Value: value}
		sum := sha256.Sum256([]byte(value))
		k.Status.RotateValues = append(k.Status.RotateValues, v1alpha1.RotateDigest(base64.RawURLEncoding.EncodeToString(sum[:12])))
	}
}

// asks sends a request that the API server acknowledges at once.
func (h *history) asks(kind schedule.OperationKind, changes ...func(*oracle.Intent)) {
	intent := oracle.Intent{UID: uid, Kind: kind}
	for _, change := range changes {
		change(&intent)
	}
	r := h.oracle.Begin(h.now, intent)
	if h.version++; intent.Secret != "" {
		h.oracle.Acked(h.now, r, 0)
	} else {
		h.oracle.Acked(h.now, r, h.version)
	}
}

func value(text string, overlap time.Duration) func(*oracle.Intent) {
	return func(i *oracle.Intent) { i.Value, i.Overlap = text, overlap }
}

// answers lets both verifiers answer about a key.
func (h *history) answers(key string, code int) {
	for _, verifier := range schedule.Verifiers() {
		h.answersBy(verifier, key, code)
	}
}

func (h *history) answersBy(verifier schedule.Target, key string, code int) {
	h.oracle.Answered(oracle.Answer{
		Verifier: verifier, Digest: digest(key), Sent: h.now, Received: h.now.Add(time.Millisecond), Code: code,
	})
}

// broken checks which rules are broken, each once for a verifier.
func (h *history) broken(want ...oracle.Rule) {
	h.t.Helper()
	var got []oracle.Rule
	seen := map[oracle.Rule]bool{}
	var details []string
	for _, v := range h.oracle.Violations() {
		if !seen[v.Rule] {
			got = append(got, v.Rule)
		}
		seen[v.Rule] = true
		details = append(details, v.Detail)
		if strings.Contains(v.Detail, "k1") {
			h.t.Errorf("a violation names a key: %s", v.Detail)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		h.t.Errorf("broken rules:\n%s\n%s", diff, strings.Join(details, "\n"))
	}
}
