// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// customers returns a request for the endpoint of the demo API that most keys here are for.
func customers(headers ...string) request { return request{path: "/customers", headers: headers} }

// asked shows what the verifier has to say about one key, and about requests without one.
func asked(ctx context.Context, g *guide) error {
	if err := g.readKey(ctx, sample()); err != nil {
		return err
	}
	first := customers(withKey)
	first.whole = true
	if err := g.askEventually(ctx, first, admitted(sample())); err != nil {
		return err
	}
	g.held("200: the API got headers that say whose key it was, and not the key")

	if err := g.ask(ctx, customers("Authorization: Bearer "+keyVariable, "X-Apikey-Name: admin"), admitted(sample())); err != nil {
		return err
	}
	g.held("the other way to send a key; what the client says of itself is overwritten")

	without := customers()
	without.whole = true
	for _, c := range []struct {
		request request
		status  int
		reason  string
		because string
	}{
		{without, http.StatusUnauthorized, "missing", "there is no key"},
		{customers("X-API-Key: let-me-in"), http.StatusUnauthorized, "malformed", "that is no key"},
		{request{path: "/staging", headers: []string{withKey}}, http.StatusUnauthorized, "wrong_environment", "a key for Production opens nothing in Staging"},
		{request{path: "/admin", headers: []string{withKey}}, http.StatusForbidden, "permission_denied", "the key lacks the permission admin:write"},
	} {
		if err := g.ask(ctx, c.request, refusedWith(c.status, c.reason)); err != nil {
			return err
		}
		g.held("%d %s: %s", c.status, c.reason, c.because)
	}

	return g.lastUse(ctx)
}

// lastUse shows that the APIKey tells when its key was last used.
func (g *guide) lastUse(ctx context.Context) error {
	after, err := g.eventually(ctx, sample(), used)
	if err != nil {
		return err
	}
	if err := g.show(ctx, "get", resource, sample().Name, "-n", namespace); err != nil {
		return err
	}
	g.held("status.lastUsedAt is %s; it is written every 5 minutes at most", after.apikey.Status.LastUsedAt.UTC().Format("15:04:05Z"))

	return nil
}

// overlapping names the sample whose replaced keys work on for a while.
func overlapping() types.NamespacedName {
	return types.NamespacedName{Namespace: namespace, Name: "data-synchronizer"}
}

func overlapped(ctx context.Context, g *guide) error {
	before, err := g.observe(ctx, overlapping())
	if err != nil {
		return err
	}
	if err := g.readKey(ctx, overlapping()); err != nil {
		return err
	}
	if err := g.show(ctx, "annotate", resource, overlapping().Name, "-n", namespace,
		"--overwrite", v1alpha1.RotateAnnotation+"=quickstart"); err != nil {
		return err
	}
	if _, err := g.eventually(ctx, overlapping(), phaseIs(v1alpha1.PhaseActive), looksLikeKey, retiring(before)); err != nil {
		return err
	}
	if err := g.show(ctx, "get", resource, overlapping().Name, "-n", namespace, "-o",
		"custom-columns=KEY:.status.keys[*].id,STATE:.status.keys[*].state,UNTIL:.status.keys[*].notAfter"); err != nil {
		return err
	}
	if err := g.ask(ctx, customers(withKey), admitted(overlapping())); err != nil {
		return err
	}
	g.held("the old key, %s, is accepted until its time is over: spec.rotation.overlap is 10m", before.keyID())

	if err := g.readKey(ctx, overlapping()); err != nil {
		return err
	}
	if err := g.askEventually(ctx, customers(withKey), admitted(overlapping())); err != nil {
		return err
	}
	g.held("and so is the new one")

	return nil
}

// limitedFile is no sample: no useful key has so low a limit.
const limitedFile = "hack/quickstart/limited.yaml"

func limited(ctx context.Context, g *guide) error {
	partner := types.NamespacedName{Namespace: namespace, Name: "low-volume-partner"} // of limitedFile
	if err := g.showFile(limitedFile); err != nil {
		return err
	}
	if err := g.show(ctx, "apply", "-n", namespace, "-f", limitedFile); err != nil {
		return err
	}
	if _, err := g.eventually(ctx, partner, phaseIs(v1alpha1.PhaseActive), looksLikeKey); err != nil {
		return err
	}
	if err := g.readKey(ctx, partner); err != nil {
		return err
	}
	if err := g.askEventually(ctx, customers(withKey), admitted(partner)); err != nil {
		return err
	}
	if err := g.ask(ctx, customers(withKey), admitted(partner)); err != nil {
		return err
	}
	third := customers(withKey)
	third.whole = true
	if err := g.ask(ctx, third, limitReached); err != nil {
		return err
	}
	g.held("429 rate_limited: the third request within a minute is one too many, and Retry-After says when to come back")

	return nil
}

// limitReached checks that the request was refused for a limit, and that the answer says how long the refusal lasts.
func limitReached(a answer) error {
	if err := refusedWith(http.StatusTooManyRequests, "rate_limited")(a); err != nil {
		return err
	}
	seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
	if err != nil || seconds < 1 || seconds > 60 {
		return fmt.Errorf("want Retry-After from 1 to 60 seconds, got %q", a.header.Get("Retry-After"))
	}
	for _, name := range []string{"RateLimit", "RateLimit-Policy"} {
		if !strings.HasPrefix(a.header.Get(name), `"default";`) {
			return fmt.Errorf("want the header %s, got %q", name, a.header.Get(name))
		}
	}

	return nil
}

// refused shows that the key is refused from now on.
func (g *guide) refused(ctx context.Context, reason, because string) error {
	if err := g.askEventually(ctx, customers(withKey), refusedWith(http.StatusUnauthorized, reason)); err != nil {
		return err
	}
	g.held("401 %s: %s", reason, because)

	return nil
}
