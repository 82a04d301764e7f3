// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle_test

import (
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

func TestADeletingKeyIsRevokedAndSaysWhatItWaitsFor(t *testing.T) {
	status := lifecycle.Closed(lifecycle.Observed{APIKey: settled(deleting("example.com/hold"))}, now)
	expectConditions(t, status, "Ready=False Deleting", "Active=False Deleting", "Reconciling=True Deleting")
	if message := readyMessage(t, status); !strings.Contains(message, "example.com/hold") || status.Phase != v1alpha1.PhaseRevoked {
		t.Errorf("phase %s, message %q", status.Phase, message)
	}
	expired := settled(deleting("example.com/hold"), func(k *v1alpha1.APIKey) { k.Spec.ExpiresAt = at(created) })
	if phase := lifecycle.Closed(lifecycle.Observed{APIKey: expired}, now).Phase; phase != v1alpha1.PhaseExpired {
		t.Errorf("a key that had expired before is %s", phase)
	}
}

func TestASecretThatIsBeingDeletedStopsItsKeys(t *testing.T) {
	o := lifecycle.Observed{APIKey: settled(with(
		record("old", v1alpha1.KeyRetiring, now.Add(1)), record("active", v1alpha1.KeyActive),
		record("in it", v1alpha1.KeyPending), record("under way", v1alpha1.KeyPending),
	))}
	o.Secret = lifecycle.Secret{State: lifecycle.SecretTerminating, Ref: ref, Digest: "in it", Finalizers: []string{"example.com/hold"}}
	plan := lifecycle.Decide(o, now)
	status := lifecycle.Blocked(o, plan.Reason, plan.Message, now)
	if got := states(status); len(got) != 1 || got[0] != "under way Pending" || status.SecretRef != nil {
		t.Errorf("keys %v, secretRef %v", got, status.SecretRef)
	}
	expectConditions(t, status, "Ready=False SecretTerminating", "Active=False SecretTerminating", "Stalled=True SecretTerminating")
	if !strings.Contains(readyMessage(t, status), "example.com/hold") {
		t.Errorf("message %q", readyMessage(t, status))
	}
}

func TestAnEndedKeyWhoseSecretLingersSaysSo(t *testing.T) {
	o := lifecycle.Observed{APIKey: settled(func(k *v1alpha1.APIKey) { k.Spec.Revoked = true })}
	o.Secret = lifecycle.Secret{State: lifecycle.SecretTerminating, Finalizers: []string{"example.com/hold"}}
	expectConditions(t, lifecycle.Closed(o, now), "Ready=False SecretTerminating", "Active=False Revoked", "Reconciling=True SecretTerminating")
	o.APIKey.Status = lifecycle.Closed(o, now)
	o.Secret = in(lifecycle.SecretUnread)
	expectConditions(t, lifecycle.Closed(o, now), "Ready=True Revoked", "Active=False Revoked")
}
