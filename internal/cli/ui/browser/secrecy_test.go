// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// create creates a key with the form, and returns the plaintext that the page shows.
func (tb *tab) create(s *site, displayName string) string {
	tb.t.Helper()
	tb.open(s.Origin + "/create")
	tb.fill("#displayName", displayName)
	tb.click("input[name=environment][value=Production]")
	tb.click("form .primary")
	tb.untilText("Copy your key now")

	return tb.text("#key")
}

// TestCreate creates a key from the first view to the answer of the verifier.
func TestCreate(t *testing.T) {
	p := newAdministrator(t, "create")
	tb, _ := p.browse()
	tb.press("Create key")
	tb.untilAt("/create")
	tb.fill("#displayName", "Integration with CRM")
	tb.click("input[name=environment][value=Production]")
	tb.fill("#morePermissions", "customers:read, telemetry:write")
	tb.untilText("The API server would accept this.")
	tb.until("document.getElementById('yaml').textContent.includes('telemetry:write')")
	tb.press("Create key")
	tb.untilText("Copy your key now")
	plain := tb.text("#key")
	p.untilVerified(plain, "customers:read", 200)
	p.untilVerified(plain, "customers:write", 403)
	if got := p.key("integration-with-crm").Spec.ValidFor; got != "8760h" {
		t.Errorf("the key lives for %q, want a year", got)
	}
}

// TestShownOnce: a key is in the page until it is left, and in no address, history, log, other tab or earlier page.
func TestShownOnce(t *testing.T) {
	p := newAdministrator(t, "once")
	tb, s := p.browse()
	second := tb.second()
	plain := tb.create(s, "Once")
	id := strings.TrimPrefix(plain, "ak_prod_")
	if !strings.HasPrefix(plain, "ak_prod_") || tb.text("#key") != plain {
		t.Fatal("the page shows no key")
	}
	if !eval[bool](tb, "document.querySelector('[data-leave] button').disabled") {
		t.Error("the way on is open before the person has confirmed")
	}
	second.open(s.Origin + p.path("once") + "/once")
	second.untilText("This key is not shown again")
	absent := func(where, text string) {
		t.Helper()
		if strings.Contains(text, id) {
			t.Errorf("the key stands in %s", where)
		}
	}
	absent("another tab", second.source())
	absent("the address", tb.address())
	absent("what the command prints", s.Output.String())
	absent("the history", tb.history())

	tb.do(chromedp.Reload())
	tb.untilText("This key is not shown again")
	absent("the page after a reload", tb.source())

	plain = tb.create(s, "Twice")
	id = strings.TrimPrefix(plain, "ak_prod_")
	tb.click("#stored")
	tb.press("Done")
	tb.untilAt(p.path("twice"))
	absent("the view of the key", tb.source())
	tb.do(chromedp.NavigateBack())
	tb.untilAt(p.path("twice") + "/once")
	tb.untilText("This key is not shown again")
	absent("the page after Back", tb.source())
	absent("the history after all", tb.history())

	// The browser may keep a page for Back: the key is taken out of it when it is left.
	tb.create(s, "Kept")
	eval[bool](tb, "dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
	if got := tb.text("#key"); got != "" {
		t.Error("a page that was left holds the key")
	}
	tb.click("#stored")
}

// history returns the addresses and titles of the history of a tab.
func (tb *tab) history() string {
	tb.t.Helper()

	return fmt.Sprintf("%+v", call(tb, page.GetNavigationHistory, cdp.Empty{}))
}

// TestKeyAsName: a key that is typed as a name is refused, and comes back in no answer.
func TestKeyAsName(t *testing.T) {
	p := newAdministrator(t, "as-name")
	tb, s := p.browse()
	plain := tb.create(s, "Source")
	tb.click("#stored")
	tb.press("Done")
	tb.untilAt(p.path("source"))
	tb.open(s.Origin + "/create")
	tb.fill("#displayName", plain)
	tb.untilText("That is an API key, which is never a name.")
	tb.click("form .primary")
	tb.until("document.getElementById('displayName').value === ''")
	tb.awaitProblem("422")
	if strings.Contains(tb.source(), plain) {
		t.Error("the answer holds the key")
	}
}
