// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"context"
	"net/http"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// TestDeliveredOnce creates and regenerates a key of which the cluster keeps no copy: showing it claims it.
func TestDeliveredOnce(t *testing.T) {
	p := newAdministrator(t, "delivered-once")
	tb, s := p.browse()
	tb.open(s.Origin + "/create")
	tb.fill("#displayName", "Partner")
	tb.click("input[name=environment][value=Production]")
	tb.click("input[name=delivery][value=Once]")
	tb.untilText("The API server would accept this.")
	tb.press("Create key")
	tb.untilText("No copy is left in the cluster.")
	first := tb.text("#key")
	p.untilClaimed("partner")
	p.untilVerified(first, "", http.StatusOK)
	tb.stored(p.path("partner"))

	tb.press("Regenerate")
	tb.click("input[name=overlap][value='0s']")
	tb.confirm()
	tb.untilText("No copy is left in the cluster.")
	second := tb.text("#key")
	p.untilVerified(second, "", http.StatusOK)
	p.untilVerified(first, "", http.StatusUnauthorized)
	p.untilClaimed("partner")
	p.untilVerified(second, "", http.StatusOK)
	tb.stored(p.path("partner"))
}

// untilClaimed waits until the operator has acted on a claim: it is in the status, and the Secret is gone.
func (p *person) untilClaimed(name string) {
	p.t.Helper()
	p.untilKey(name, "is claimed", func(k *v1alpha1.APIKey) bool { return k.Status.ClaimedAt != nil })
	eventually(p.t, "the Secret of "+name+" is gone", func(ctx context.Context) bool {
		return apierrors.IsNotFound(p.cluster.admin.Get(ctx, p.name(name), &corev1.Secret{}))
	})
}
