// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// shortLivedFile is not among the samples: a key for a few seconds has no other use.
const shortLivedFile = "hack/quickstart/short-lived.yaml"

// shortLived names the APIKey of shortLivedFile.
func shortLived() types.NamespacedName {
	return types.NamespacedName{Namespace: namespace, Name: "short-lived"}
}

func expired(ctx context.Context, g *guide) error {
	if err := g.showFile(shortLivedFile); err != nil {
		return err
	}
	if err := g.show(ctx, "apply", "-n", namespace, "-f", shortLivedFile); err != nil {
		return err
	}
	if _, err := g.eventually(ctx, shortLived(), handedOut, looksLikeKey); err != nil {
		return err
	}
	if err := g.readKey(ctx, shortLived()); err != nil {
		return err
	}
	if err := g.askEventually(ctx, customers(withKey), admitted(shortLived())); err != nil {
		return err
	}
	if err := g.show(ctx, "get", resource, shortLived().Name, "-n", namespace); err != nil {
		return err
	}
	g.note("a few seconds later")
	if _, err := g.eventually(ctx, shortLived(), phaseIs(v1alpha1.PhaseExpired),
		conditionIs(v1alpha1.ConditionActive, metav1.ConditionFalse), secretGone); err != nil {
		return err
	}
	if err := g.show(ctx, "get", resource, shortLived().Name, "-n", namespace); err != nil {
		return err
	}
	g.held("phase Expired; the Secret is gone, the APIKey is kept")
	if err := g.refused(ctx, "expired", "a copy of the key is worthless now"); err != nil {
		return err
	}

	if err := g.patchRefused(ctx, shortLived(), `{"validFor":"8760h"}`); err != nil {
		return err
	}
	g.held("an expired key stays expired")

	return nil
}

func revoked(ctx context.Context, g *guide) error {
	if err := g.readKey(ctx, sample()); err != nil {
		return err
	}
	if err := g.patch(ctx, sample(), `{"revoked":true}`); err != nil {
		return err
	}
	if _, err := g.eventually(ctx, sample(), phaseIs(v1alpha1.PhaseRevoked),
		conditionIs(v1alpha1.ConditionActive, metav1.ConditionFalse), secretGone, handedOut); err != nil {
		return err
	}
	if err := g.show(ctx, "get", resource, sample().Name, "-n", namespace); err != nil {
		return err
	}
	if err := g.show(ctx, "events", "--for", resource+"/"+sample().Name, "-n", namespace); err != nil {
		return err
	}
	g.held("phase Revoked; the Secret is gone, the APIKey with its status and events is kept")
	if err := g.refused(ctx, "revoked", "for good"); err != nil {
		return err
	}

	if err := g.patchRefused(ctx, sample(), `{"revoked":false}`); err != nil {
		return err
	}
	g.held("a revoked key stays revoked")

	return nil
}

// deletedSample names the APIKey that the tour deletes.
func deletedSample() types.NamespacedName {
	return types.NamespacedName{Namespace: namespace, Name: "migration-of-the-day"}
}

func deleted(ctx context.Context, g *guide) error {
	before, err := g.observe(ctx, deletedSample())
	if err != nil {
		return err
	}
	if before.secret == nil {
		return errors.New("the Secret " + deletedSample().Name + " is gone already")
	}
	if err := g.readKey(ctx, deletedSample()); err != nil {
		return err
	}
	staging := request{path: "/staging", headers: []string{withKey}}
	if err := g.askEventually(ctx, staging, admitted(deletedSample())); err != nil {
		return err
	}
	if err := g.show(ctx, "delete", resource, deletedSample().Name, "-n", namespace); err != nil {
		return err
	}
	if _, err := g.await(ctx, deletedSample(), apikeyGone, secretGone); err != nil {
		return err
	}
	if err := g.show(ctx, "get", resource+",secrets", "-n", namespace); err != nil {
		return err
	}
	g.held("Kubernetes has collected the Secret %s, because its owner is gone", before.secret.Name)
	if err := g.askEventually(ctx, staging, refusedWith(http.StatusUnauthorized, "unknown")); err != nil {
		return err
	}
	g.held("401 unknown: the verifier does not know that key any more")

	return nil
}
