// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/hack/soak/schedule"
)

// A restarted API server refuses changes for two reasons that pass. Under load the second one lasts for longer than refusals are believed to.
func TestUsersOutlastAnAPIServerThatStarts(t *testing.T) {
	role := apierrors.NewForbidden(v1alpha1.GroupVersion.WithResource("apikeys").GroupResource(), "key-001", errors.New("no role allows it"))
	guardrail := func(why string) error { // kube-apiserver says "forbidden" in the text, and Invalid as the reason
		err := apierrors.NewForbidden(v1alpha1.GroupVersion.WithResource("apikeys").GroupResource(), "key-001",
			errors.New("ValidatingAdmissionPolicy 'apikey-operator-limits' denied request: "+why))
		err.ErrStatus.Reason, err.ErrStatus.Code = metav1.StatusReasonInvalid, http.StatusUnprocessableEntity

		return err
	}
	for name, c := range map[string]struct {
		refusal error
		lasts   time.Duration
		passes  bool
	}{
		"it does not know the roles yet": {role, 10 * time.Second, true},
		"it never knows the role":        {role, time.Hour, false},
		"it does not know the kind of the parameters yet": {
			guardrail("failed to configure policy: failed to find resource referenced by paramKind: 'apikey-operator.io/v1alpha1, Kind=APIKeyPolicy'"),
			time.Minute, true,
		},
		"a guardrail refuses": {guardrail("too long"), time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				uncertain, err := persist(t.Context(), func(context.Context) error {
					if time.Since(began) < c.lasts {
						return c.refusal
					}

					return nil
				})
				if uncertain || (err == nil) != c.passes {
					t.Errorf("after %s: %v, uncertain %t; want success %t", time.Since(began), err, uncertain, c.passes)
				}
			})
		})
	}
}

// An APIKey can expire between the last version that a user has seen and the request to end it.
func TestUsersMayEndAnAPIKeyThatHasEnded(t *testing.T) {
	const final = "revoked can no longer change: this key is Expired or Revoked, which is final; create a new APIKey instead"
	refusal := apierrors.NewInvalid(v1alpha1.GroupVersion.WithKind("APIKey").GroupKind(), "key-198",
		field.ErrorList{field.Forbidden(field.NewPath("spec", "revoked"), final)})
	for kind, want := range map[schedule.OperationKind]bool{
		schedule.Revoke: true, schedule.Expire: true, schedule.Suspend: false, schedule.Rotate: false, schedule.Rename: false,
	} {
		if got := endedMeanwhile(kind, refusal); got != want {
			t.Errorf("%s: %t, want %t", kind, got, want)
		}
		if endedMeanwhile(kind, nil) || endedMeanwhile(kind, errNothing) {
			t.Errorf("%s: without a refusal", kind)
		}
	}
}
