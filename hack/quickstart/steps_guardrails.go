// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// The people of the tour. Both may edit APIKeys; only the first may say what a key can do.
const (
	granter = "jane@example.com"
	editor  = "max@example.com"
)

// What the tour gives them. Outside of the tour the cluster's own role edit includes editorRole.
const (
	editorRole  = "apikey-operator-apikey-editor"
	granterRole = "customers-reader-granter" // of granterFile
	granterFile = "config/samples/guardrails/customers_reader_granter.yaml"
	// environmentsRole of environmentsFile is for keys in Production.
	environmentsRole = "production-keys"
	environmentsFile = "config/samples/guardrails/production_keys.yaml"
	policyFile       = "config/samples/guardrails/apikeypolicy_production.yaml"
)

// reportingFile is the APIKey that both of them try to make.
const reportingFile = "hack/quickstart/reporting.yaml"

// The same APIKey twice: with a lifetime beyond the maximum of the policy, and without the fields that the policy has defaults for.
const (
	fiveYearsFile = "hack/quickstart/five-years.yaml"
	exportingFile = "hack/quickstart/exporting.yaml"
)

// reporting names the APIKey of reportingFile.
func reporting() types.NamespacedName {
	return types.NamespacedName{Namespace: namespace, Name: "reporting"}
}

// showAll shows some commands.
func (g *guide) showAll(ctx context.Context, commands ...[]string) error {
	for _, args := range commands {
		if err := g.show(ctx, args...); err != nil {
			return err
		}
	}

	return nil
}

func granted(ctx context.Context, g *guide) error {
	if err := g.show(ctx, "create", "rolebinding", "editors", "-n", namespace, "--clusterrole="+editorRole, "--user="+granter, "--user="+editor); err != nil {
		return err
	}
	apply := []string{"apply", "-n", namespace, "-f", reportingFile, "--as=" + editor}
	if err := g.denied(ctx, apply...); err != nil {
		return err
	}
	g.held("an editor makes keys for Development alone; Production is a grant of its own")

	if err := g.showAll(ctx,
		[]string{"apply", "-f", environmentsFile},
		[]string{"create", "rolebinding", "production", "-n", namespace, "--clusterrole=" + environmentsRole, "--user=" + granter, "--user=" + editor},
		[]string{"apply", "-f", granterFile},
		[]string{"create", "rolebinding", "granters", "-n", namespace, "--clusterrole=" + granterRole, "--user=" + granter},
	); err != nil {
		return err
	}
	if err := g.denied(ctx, apply...); err != nil {
		return err
	}
	g.held("both may make keys for Production now, but %s has no grant for that permission; the message has the rule that is lacking", editor)

	if err := g.show(ctx, "apply", "-n", namespace, "-f", reportingFile, "--as="+granter); err != nil {
		return err
	}
	if _, err := g.eventually(ctx, reporting(), phaseIs(v1alpha1.PhaseActive), looksLikeKey); err != nil {
		return err
	}
	g.held("%s has, and the key is there", granter)

	if err := g.show(ctx, append(patchArgs(reporting(), `{"suspend":true}`), "--as="+editor)...); err != nil {
		return err
	}
	if err := g.denied(ctx, append(patchArgs(reporting(), `{"suspend":false}`), "--as="+editor)...); err != nil {
		return err
	}
	g.held("taking away needs no grant, giving back does")

	return g.show(ctx, append(patchArgs(reporting(), `{"suspend":false}`), "--as="+granter)...)
}

func governed(ctx context.Context, g *guide) error {
	if err := g.showFile(policyFile); err != nil {
		return err
	}
	if err := g.showAll(ctx, []string{"label", "namespace", namespace, "stage=production"}, []string{"apply", "-f", policyFile}); err != nil {
		return err
	}
	if err := g.showFile(fiveYearsFile); err != nil {
		return err
	}
	if err := g.denied(ctx, "apply", "-n", namespace, "-f", fiveYearsFile, "--as="+granter); err != nil {
		return err
	}
	g.held("five years are more than the policy allows, for every user")
	export := types.NamespacedName{Namespace: namespace, Name: "nightly-export"} // of exportingFile
	g.note("the same without validFor")
	if err := g.show(ctx, "apply", "-n", namespace, "-f", exportingFile, "--as="+granter); err != nil {
		return err
	}
	after, err := g.eventually(ctx, export, phaseIs(v1alpha1.PhaseActive), governedByPolicy)
	if err != nil {
		return err
	}
	if err := g.show(ctx, "get", resource, export.Name, "-n", namespace, "-o",
		"custom-columns=NAME:.metadata.name,SPEC-EXPIRES:.spec.expiresAt,EXPIRES:.status.expiresAt,"+
			"LIMIT:.status.rateLimit.requests,PER:.status.rateLimit.per"); err != nil {
		return err
	}
	g.held("spec says neither, so the defaults of the policy are in force: until %s, %d requests per %s",
		after.apikey.Status.ExpiresAt.UTC().Format(time.DateOnly), after.apikey.Status.RateLimit.Requests, after.apikey.Status.RateLimit.Per)

	return g.show(ctx, "delete", "-f", policyFile) // what comes now is about other things
}

// governedByPolicy checks that a policy has said when a key ends and how often it may be used.
func governedByPolicy(o observation) error {
	if o.apikey.Status.ExpiresAt == nil || o.apikey.Status.RateLimit == nil {
		return errors.New("status.expiresAt and status.rateLimit are not both set, but a policy has defaults for them")
	}

	return nil
}

// denied shows a command that the guardrails refuse. It waits until they do: a policy that was made just now takes
// effect within about a second.
func (g *guide) denied(ctx context.Context, args ...string) error {
	trial := append(slices.Clone(args), "--dry-run=server")
	err := retry(ctx, func(ctx context.Context) error {
		if _, err := g.kubectl.run(ctx, trial...); err == nil {
			return errors.New("the API server accepts what the guardrails should refuse: " + commandLine(trial))
		}

		return nil
	})
	if err != nil {
		return err
	}

	return g.showRefused(ctx, "denied request", args...)
}
