// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// A restarted API server refuses changes for two reasons that pass. Under load the second one lasts for longer than refusals are believed to.
func TestUsersOutlastAnAPIServerThatStarts(t *testing.T) {
	refusal := func(why string) error {
		return apierrors.NewForbidden(v1alpha1.GroupVersion.WithResource("apikeys").GroupResource(), "key-001", errors.New(why))
	}
	const unknownKind = "ValidatingAdmissionPolicy 'apikey-operator-limits' denied request: failed to configure policy: " +
		"failed to find resource referenced by paramKind: 'apikey-operator.io/v1alpha1, Kind=APIKeyPolicy'"
	for name, c := range map[string]struct {
		refusal error
		lasts   time.Duration
		passes  bool
	}{
		"it does not know the roles yet":                  {refusal(`User "admin" cannot patch resource "apikeys"`), 10 * time.Second, true},
		"it never knows the role":                         {refusal(`User "admin" cannot patch resource "apikeys"`), time.Hour, false},
		"it does not know the kind of the parameters yet": {refusal(unknownKind), time.Minute, true},
		"a guardrail refuses":                             {refusal("'apikey-operator-limits' denied request: too long"), time.Hour, false},
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
