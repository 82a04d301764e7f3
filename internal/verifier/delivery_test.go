// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// untilMissed is the deadline of a key that is not claimed. It leaves a loaded machine the time to use the key before.
const untilMissed = 40 * time.Second

// TestDeliveryOnce: a key that was claimed is accepted although its Secret is gone, and a verifier refuses one that was not claimed from its
// deadline on, although the operator is down by then.
func TestDeliveryOnce(t *testing.T) {
	plane := testkit.StartFor(t, testkit.Options{})
	stop, err := plane.RunOperator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	admin, err := plane.Client()
	if err != nil {
		t.Fatal(err)
	}
	install(t, plane)
	newGate(t, plane)
	once := func(claimBefore v1alpha1.Duration) func(*v1alpha1.APIKeySpec) {
		return func(spec *v1alpha1.APIKeySpec) {
			spec.Secret = &v1alpha1.SecretTemplate{Delivery: v1alpha1.DeliveryOnce, ClaimBefore: claimBefore}
		}
	}
	v := startInstance(t, nil)
	eventually(t, "ready", v.ready)

	claimed, taken := mintKey(t, admin, "claimed", once("720h"))
	v.expect(t, taken, http.StatusOK)
	before := claimed.DeepCopy()
	metav1.SetMetaDataAnnotation(&claimed.ObjectMeta, v1alpha1.ClaimAnnotation, keys.DigestOf(taken).ID())
	if err := admin.Patch(t.Context(), claimed, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the Secret is deleted", func(ctx context.Context) bool {
		return apierrors.IsNotFound(admin.Get(ctx, client.ObjectKeyFromObject(claimed), &corev1.Secret{}))
	})

	missed, value := mintKey(t, admin, "missed", once(v1alpha1.Duration(untilMissed.String())))
	v.expect(t, value, http.StatusOK)
	// The verifier accepts a key that is announced. An operator that ended now would leave it so.
	eventually(t, "the mint is complete", func(ctx context.Context) bool {
		return admin.Get(ctx, client.ObjectKeyFromObject(missed), missed) == nil && missed.Status.Phase == v1alpha1.PhaseActive
	})
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if err := wait.PollUntilContextTimeout(t.Context(), 10*time.Millisecond, untilMissed+patience, true, func(ctx context.Context) (bool, error) {
		return v.overHTTP(ctx, value) == http.StatusUnauthorized, nil
	}); err != nil {
		t.Fatalf("a key that was not claimed is accepted after its deadline: %v", err)
	}
	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(missed), missed); err != nil {
		t.Fatal(err)
	}
	if missed.Status.Phase != v1alpha1.PhaseActive {
		t.Errorf("the operator has reported %s, so the verifier did not have to look at its clock", missed.Status.Phase)
	}
	v.expect(t, taken, http.StatusOK)
}
