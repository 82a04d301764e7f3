// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// says fails unless a text holds others.
func says(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("does not say %q:\n%s", want, text)
		}
	}
}

// secretGone reports whether a Secret does not exist.
func (p *person) secretGone(name string) bool {
	p.t.Helper()
	err := p.cluster.admin.Get(p.t.Context(), client.ObjectKey{Namespace: p.namespace, Name: name}, &corev1.Secret{})

	return apierrors.IsNotFound(err)
}

// reports tells whether the status of an APIKey is as wanted.
func (p *person) reports(ctx context.Context, name string, wanted func(v1alpha1.APIKeyStatus) bool) bool {
	var key v1alpha1.APIKey
	err := p.cluster.admin.Get(ctx, client.ObjectKey{Namespace: p.namespace, Name: name}, &key)

	return err == nil && wanted(key.Status)
}

func revoked(s v1alpha1.APIKeyStatus) bool { return s.Phase == v1alpha1.PhaseRevoked }

// TestClaim takes a key that is delivered once, from its creation to a rotation, with a real operator.
func TestClaim(t *testing.T) {
	p := newAdministrator(t, "claim")
	created := p.run("create", "partner", "--environment", "Production", "--delivery", "once", "--claim-before", "1d")
	says(t, created.err, "take it within", "reveal partner -n claim --claim --show")
	says(t, p.must("list", "-o", "wide"), "to be claimed within")
	says(t, p.must("describe", "partner"), "Delivery:       once, to be claimed within", "is revoked, unless it is claimed before", "AwaitingClaim")
	says(t, p.must("explain", "partner"), "Delivered once: to be claimed within")

	read := p.run("reveal", "partner")
	if read.code != cli.ExitFailed || read.out != "" {
		t.Errorf("a key that has to be claimed is just read: %d", read.code)
	}
	says(t, read.err, "add --claim")

	taken := p.run("reveal", "partner", "--claim")
	if taken.code != cli.ExitDone || keys.Check(taken.out) != nil {
		t.Fatalf("exit code %d: %s", taken.code, taken.err)
	}
	says(t, taken.err, "Warning: this is the key of", "Waiting until the operator has deleted Secret partner", "no copy of it is left in the cluster")
	status := p.key("partner").Status
	if !p.secretGone("partner") || status.ClaimedAt == nil || status.Phase != v1alpha1.PhaseActive || status.Keys[0].ID != keys.DigestOf(taken.out).ID() {
		t.Errorf("after the claim: %+v", status)
	}
	says(t, p.must("list", "-o", "wide"), "claimed ")
	says(t, p.must("describe", "partner"), "Delivery:       once, claimed", "key claimed, its Secret deleted")
	explained := p.answer(taken.out, "explain", "-", "--environment", "Production")
	says(t, explained.out, "200 allowed", "Delivered once: claimed")

	for _, again := range [][]string{{"reveal", "partner", "--claim"}, {"reveal", "partner"}} {
		r := p.run(again...)
		if r.code != cli.ExitFailed || r.out != "" {
			t.Errorf("%v: exit code %d", again, r.code)
		}
		says(t, r.err, "claimed already", "kubectl apikey rotate partner -n claim --overlap 0s")
	}

	p.must("rotate", "partner", "--overlap", "0s", "--yes")
	replaced := p.answer(taken.out, "explain", "-", "--environment", "Production")
	says(t, replaced.out, "401")
	if next := p.must("reveal", "partner", "--claim"); next == taken.out || keys.Check(next) != nil {
		t.Error("the next delivery has the same key")
	}
}

// TestOneOfManyClaims lets several people claim a key at once: one of them gets it.
func TestOneOfManyClaims(t *testing.T) {
	const people, rounds = 8, 5
	p := newAdministrator(t, "claims")
	c, err := operations.Connect(p.cluster.Config)
	if err != nil {
		t.Fatal(err)
	}
	service := operations.Service{Client: c, Clock: clock.RealClock{}}
	p.must("create", "partner", "--environment", "Production", "--delivery", "Once")
	for range rounds {
		before := p.key("partner") // all begin with the same version
		var got []keys.Key
		var mu sync.Mutex
		var claims sync.WaitGroup
		for range people {
			claims.Go(func() {
				key, _, err := service.Claim(t.Context(), before)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					got = append(got, key)
				case !errors.Is(err, operations.ErrAlreadyClaimed):
					t.Errorf("a claim that comes second: %v", err)
				}
			})
		}
		claims.Wait()
		if len(got) != 1 || got[0].Digest().ID() != before.Status.Keys[0].ID {
			t.Fatalf("%d of %d people got a key", len(got), people)
		}
		p.eventually("the operator acts on the claim", func(ctx context.Context) bool {
			return p.reports(ctx, "partner", func(s v1alpha1.APIKeyStatus) bool { return s.ClaimedAt != nil })
		})
		p.must("rotate", "partner", "--yes")
	}
}

// TestClaimsThatFail says for each what to do.
func TestClaimsThatFail(t *testing.T) {
	p := newAdministrator(t, "no-claim")
	p.must("create", "kept", "--environment", "Development")
	kept := p.run("reveal", "kept", "--claim")
	says(t, kept.err, "the Secret of apikey no-claim/kept stays; leave out --claim")
	if kept.code != cli.ExitFailed || kept.out != "" || p.secretGone("kept") {
		t.Errorf("a Secret that stays is claimed: %d", kept.code)
	}

	// The operator is given no time to answer, as when it is away.
	p.must("create", "away", "--environment", "Development", "--delivery", "Once")
	away := p.run("reveal", "away", "--claim", "--timeout", "1ns")
	if away.code != cli.ExitTimeout || keys.Check(away.out) != nil {
		t.Errorf("the key is not printed before the wait: exit code %d", away.code)
	}
	says(t, away.err, "its copy stays in Secret away until the operator acts", "verifiers refuse the key from", "Check that the operator runs")

	p.must("create", "late", "--environment", "Development", "--delivery", "Once", "--claim-before", "1s", "--wait=false")
	p.eventually("the deadline passes", func(ctx context.Context) bool { return p.reports(ctx, "late", revoked) })
	late := p.run("reveal", "late", "--claim")
	says(t, late.err, "the key was not claimed in time", "create another APIKey")
	if late.code != cli.ExitFailed || late.out != "" || !p.secretGone("late") {
		t.Errorf("a key is claimed after its deadline: %d", late.code)
	}
	says(t, p.must("describe", "late"), "not claimed in time", "NotClaimed")
	explained := p.run("explain", "late")
	says(t, explained.out, "401 revoked", "The key was not claimed in time")

	p.must("create", "dead", "--environment", "Development", "--delivery", "Once")
	p.must("revoke", "dead", "--yes")
	p.eventually("the key is revoked", func(ctx context.Context) bool { return p.reports(ctx, "dead", revoked) })
	says(t, p.run("reveal", "dead", "--claim").err, "create another APIKey")
}
