// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"context"
	"net/http"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// confirm clicks the button of the form that asks before an action.
func (tb *tab) confirm() {
	tb.t.Helper()
	tb.click("#action .row button")
}

// TestActions clicks every action on a key, from the list to the effect in the API server and at the verifier.
func TestActions(t *testing.T) {
	p := newAdministrator(t, "actions")
	p.newKey("shop", v1alpha1.APIKeySpec{DisplayName: "Shop", Permissions: []v1alpha1.Permission{"customers:read"}})
	first := p.plain("shop")
	p.untilVerified(first, "customers:read", http.StatusOK)
	tb, _ := p.browse()
	tb.untilText("Shop")
	tb.press("Shop")
	tb.untilAt(p.path("shop"))

	tb.press("Rename")
	tb.until("document.querySelector('#action #value')")
	tb.fill("#value", "Shop of the north")
	tb.confirm()
	tb.untilText("The key has a new name.")
	if got := p.key("shop").Spec.DisplayName; got != "Shop of the north" {
		t.Errorf("the display name is %q", got)
	}

	tb.press("Regenerate")
	tb.until("document.querySelector('#action input[name=overlap]')")
	tb.click("#action input[name=overlap][value='0s']")
	tb.confirm()
	tb.untilText("Copy your new key now")
	second := tb.text("#key")
	p.untilVerified(first, "customers:read", http.StatusUnauthorized)
	p.untilVerified(second, "customers:read", http.StatusOK)
	tb.click("#stored")
	tb.press("Done")
	tb.untilAt(p.path("shop"))

	tb.press("Disable")
	tb.until("document.querySelector('#action')")
	tb.confirm()
	tb.untilText("The key is disabled.")
	p.untilVerified(second, "customers:read", http.StatusUnauthorized)
	tb.press("Enable")
	tb.until("document.querySelector('#action')")
	tb.confirm()
	tb.untilText("The key is enabled.")
	p.untilVerified(second, "customers:read", http.StatusOK)

	tb.press("Revoke")
	tb.until("document.querySelector('#action')")
	tb.confirm()
	tb.untilText("The key is revoked for good.")
	p.untilVerified(second, "customers:read", http.StatusUnauthorized)

	tb.press("Delete")
	tb.until("document.querySelector('#action #value')")
	tb.fill("#value", "another")
	tb.confirm()
	tb.untilText("Nothing was deleted.")
	tb.takeProblems() // the browser reports the status 422
	p.key("shop")
	tb.fill("#value", "shop")
	tb.confirm()
	tb.untilAt("/")
	eventually(t, "the APIKey is gone", func(ctx context.Context) bool {
		return apierrors.IsNotFound(p.cluster.admin.Get(ctx, p.name("shop"), &v1alpha1.APIKey{}))
	})
}

// TestTwoPages: a page follows what another one does, and a form that was opened before is not carried out.
func TestTwoPages(t *testing.T) {
	p := newAdministrator(t, "two-pages")
	p.newKey("shop", v1alpha1.APIKeySpec{DisplayName: "Shop"})
	one, s := p.browse()
	stale, watching := one.second(), one.second()
	stale.open(s.Origin + p.path("shop") + "?do=suspend")
	stale.untilText("Disable this key?")
	watching.open(s.Origin + p.path("shop"))
	watching.untilText("What it may do")
	one.open(s.Origin + p.path("shop") + "?do=suspend")
	one.untilText("Disable this key?")
	one.confirm()
	one.untilText("The key is disabled.")
	watching.untilText("Inactive, disabled")
	stale.confirm()
	stale.untilText("Nothing was changed.")
	stale.takeProblems()
	if !p.key("shop").Spec.Suspend {
		t.Error("the stale form has changed the key")
	}
}

// TestKeyboard creates a key with the keyboard alone.
func TestKeyboard(t *testing.T) {
	p := newAdministrator(t, "keyboard")
	tb, _ := p.browse()
	tb.tabTo("a.primary[href='/create']")
	tb.keys("\r")
	tb.untilAt("/create")
	tb.tabTo("#displayName")
	tb.keys("N", "i", "g", "h", "t")
	tb.tabTo("input[name=environment]")
	tb.keys(" ")
	tb.tabTo("form .primary")
	tb.keys("\r")
	tb.untilText("Copy your key now")
	tb.tabTo("#stored")
	tb.keys(" ")
	tb.tabTo("[data-leave] button")
	tb.keys("\r")
	tb.untilAt(p.path("night"))
	p.untilKey("night", "is Active", func(k *v1alpha1.APIKey) bool { return k.Status.Phase == v1alpha1.PhaseActive })
}

// tabTo presses the tab key until an element has the focus.
func (tb *tab) tabTo(selector string) {
	tb.t.Helper()
	const most = 80
	for range most {
		tb.keys("\t")
		if eval[bool](tb, "document.activeElement.matches("+quoted(selector)+")") {
			return
		}
	}
	tb.t.Fatalf("%d times the tab key do not lead to %s", most, selector)
}
