// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

const (
	// resource is how to say "APIKeys" where other products have a plural of that name too.
	resource = "apikeys.apikey-operator.io"
	// namespace is where the tour puts the samples.
	namespace = "storefront"
)

// applySamples returns the arguments of kubectl that apply all samples.
func applySamples() []string { return []string{"apply", "-n", namespace, "-k", "config/samples"} }

// sample names the APIKey that the tour follows.
func sample() types.NamespacedName {
	return types.NamespacedName{Namespace: namespace, Name: "main-website"}
}

func minted(ctx context.Context, g *guide) error {
	if err := g.showFile("config/samples/apikey_minimal.yaml"); err != nil {
		return err
	}
	if err := g.showAll(ctx, []string{"create", "namespace", namespace}, applySamples()); err != nil {
		return err
	}
	// Before `kubectl wait`, which says less about what is missing.
	after, err := g.eventually(ctx, sample(), conditionIs(v1alpha1.ConditionReady, metav1.ConditionTrue),
		phaseIs(v1alpha1.PhaseActive), looksLikeKey, onlyKeyIsInSecret, noPlaintext)
	if err != nil {
		return err
	}
	if err := g.showAll(ctx,
		[]string{"wait", resource, "--all", "-n", namespace, "--for=condition=Ready", "--timeout=2m"},
		[]string{"get", resource, "-n", namespace},
		readKeyArgs(sample()),
	); err != nil {
		return err
	}
	g.held("the Secret holds the key; of it, the APIKey holds the SHA-256 in status.keys and no more: %s", after.digest())

	return nil
}

func reapplied(ctx context.Context, g *guide) error {
	before, err := g.observe(ctx, sample())
	if err != nil {
		return err
	}
	if err := g.show(ctx, applySamples()...); err != nil {
		return err
	}
	if err := g.stays(ctx, sample(), before); err != nil {
		return err
	}
	g.held("the APIKey still has resourceVersion %s and its Secret %s: neither was written",
		before.apikey.ResourceVersion, before.secret.ResourceVersion)

	return nil
}

func rotated(ctx context.Context, g *guide) error {
	before, err := g.observe(ctx, sample())
	if err != nil {
		return err
	}
	if err := g.show(ctx, "annotate", resource, sample().Name, "-n", namespace,
		"--overwrite", v1alpha1.RotateAnnotation+"=quickstart"); err != nil {
		return err
	}
	after, err := g.eventually(ctx, sample(),
		phaseIs(v1alpha1.PhaseActive), replaced(before), looksLikeKey, onlyKeyIsInSecret)
	if err != nil {
		return err
	}
	if err := g.show(ctx, "get", resource, sample().Name, "-n", namespace, "-o",
		"custom-columns=KEY:.status.keys[*].id,STATE:.status.keys[*].state"); err != nil {
		return err
	}
	g.held("the Secret holds another key; in status.keys, %s has taken the place of %s", after.keyID(), before.keyID())
	g.note("$KEY is still the old one")
	if err := g.refused(ctx, "unknown", "the old key is not accepted any more"); err != nil {
		return err
	}
	if err := g.readKey(ctx, sample()); err != nil {
		return err
	}
	if err := g.askEventually(ctx, customers(withKey), admitted(sample())); err != nil {
		return err
	}
	g.held("the new one is")

	return nil
}

func suspended(ctx context.Context, g *guide) error {
	before, err := g.observe(ctx, sample())
	if err != nil {
		return err
	}
	if err := g.readKey(ctx, sample()); err != nil {
		return err
	}
	if err := g.patch(ctx, sample(), `{"suspend":true}`); err != nil {
		return err
	}
	if _, err := g.eventually(ctx, sample(), phaseIs(v1alpha1.PhaseSuspended), conditionIs(v1alpha1.ConditionReady, metav1.ConditionTrue),
		conditionIs(v1alpha1.ConditionActive, metav1.ConditionFalse), secretIs(before.secret)); err != nil {
		return err
	}
	if err := g.show(ctx, "get", resource, sample().Name, "-n", namespace); err != nil {
		return err
	}
	g.held("phase Suspended, condition Active is False; the Secret is kept as it was")
	if err := g.refused(ctx, "suspended", "and only for now"); err != nil {
		return err
	}

	if err := g.patch(ctx, sample(), `{"suspend":false}`); err != nil {
		return err
	}
	if _, err := g.eventually(ctx, sample(), phaseIs(v1alpha1.PhaseActive),
		conditionIs(v1alpha1.ConditionActive, metav1.ConditionTrue), secretIs(before.secret), onlyKeyIsInSecret); err != nil {
		return err
	}
	if err := g.askEventually(ctx, customers(withKey), admitted(sample())); err != nil {
		return err
	}
	g.held("Active again, with the same key")

	return nil
}
