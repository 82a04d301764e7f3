// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// confirm sends the form that asks before an action.
func (tb *tab) confirm() {
	tb.t.Helper()
	tb.click("#action .row button")
}

// stored says that the key is stored, and goes on.
func (tb *tab) stored(path string) {
	tb.t.Helper()
	tb.click("#stored")
	tb.press("Done")
	tb.untilAt(path)
}

// TestKeyActions clicks every action on a key from the first view to its effect in the API server and at the verifier.
func TestKeyActions(t *testing.T) {
	p := newAdministrator(t, "actions")
	p.newKey("web", v1alpha1.APIKeySpec{DisplayName: "Website", Permissions: []v1alpha1.Permission{"customers:read"}})
	first := p.plain("web")
	tb, _ := p.browse()
	tb.press("Website")
	tb.untilAt(p.path("web"))

	tb.press("Rename")
	tb.fill("#value", "Main Website")
	tb.confirm()
	tb.untilText("The key has a new name.")
	p.untilKey("web", "is renamed", func(k *v1alpha1.APIKey) bool { return k.Spec.DisplayName == "Main Website" })
	p.untilVerified(first, "customers:read", http.StatusOK)

	tb.press("Disable")
	tb.confirm()
	tb.untilText("The key is disabled.")
	p.untilVerified(first, "customers:read", http.StatusUnauthorized)
	tb.untilText("Inactive, disabled")
	tb.press("Enable")
	tb.confirm()
	tb.untilText("The key is enabled.")
	p.untilVerified(first, "customers:read", http.StatusOK)

	tb.press("Regenerate")
	tb.click("input[name=overlap][value='1h']")
	tb.confirm()
	tb.untilText("Copy your new key now")
	second := tb.text("#key")
	tb.stored(p.path("web"))
	tb.untilText("still works")
	p.untilVerified(first, "customers:read", http.StatusOK)
	p.untilVerified(second, "customers:read", http.StatusOK)

	tb.press("Regenerate")
	tb.click("input[name=overlap][value='0s']")
	tb.confirm()
	tb.untilText("Copy your new key now")
	third := tb.text("#key")
	tb.stored(p.path("web"))
	p.untilVerified(second, "customers:read", http.StatusUnauthorized)
	p.untilVerified(third, "customers:read", http.StatusOK)

	tb.press("Revoke")
	tb.confirm()
	tb.untilText("The key is revoked for good.")
	p.untilVerified(third, "customers:read", http.StatusUnauthorized)

	tb.press("Delete")
	tb.fill("#value", "wep")
	tb.confirm()
	tb.untilText("This is not the name of the key. Nothing was deleted.")
	tb.awaitProblem("422")
	tb.fill("#value", "web")
	tb.confirm()
	tb.untilText("Main Website is deleted.")
	if err := p.cluster.admin.Get(t.Context(), p.name("web"), &v1alpha1.APIKey{}); !apierrors.IsNotFound(err) {
		t.Errorf("the APIKey is still there: %v", err)
	}
}

// TestExplain: the form says what the verifier would answer and why, and the pasted key is nowhere afterwards.
func TestExplain(t *testing.T) {
	p := newAdministrator(t, "why")
	p.newKey("web", v1alpha1.APIKeySpec{Permissions: []v1alpha1.Permission{"customers:read"}})
	plain := p.plain("web")
	tb, site := p.browse()
	tb.open(site.Origin + p.path("web"))
	tb.fill("#explain-key", plain)
	tb.fill("#explain-permission", "customers:write")
	tb.press("Explain")
	tb.untilText("403 permission_denied")
	tb.untilText(`Add the permission "customers:write"`)
	absent := func(when string) {
		if strings.Contains(tb.source()+tb.address()+site.Output.String(), plain[8:30]) {
			t.Errorf("%s the key is in the page, its address or what the program prints", when)
		}
	}
	absent("after the answer")
	tb.do(chromedp.Reload())
	tb.untilText("Why is my call refused?")
	absent("after a reload")
	eval[bool](tb, "(history.back(), true)")
	tb.untilText("Why is my call refused?")
	absent("after Back")
	tb.fill("#explain-permission", "customers:read")
	tb.press("Explain")
	tb.untilText("200 allowed")
}

// TestTwoPages: of two pages on one key, the second to act is told that the key has changed, and nothing happens.
func TestTwoPages(t *testing.T) {
	p := newAdministrator(t, "two-pages")
	p.newKey("web", v1alpha1.APIKeySpec{})
	one, site := p.browse()
	two := one.second()
	one.open(site.Origin + p.path("web") + "?do=rotate")
	two.open(site.Origin + p.path("web") + "?do=rotate")
	one.confirm()
	one.untilText("Copy your new key now")
	plain := p.plain("web")
	two.confirm()
	two.untilText("The key has changed since you opened this form.")
	two.awaitProblem("409")
	if p.plain("web") != plain {
		t.Error("the second page has replaced the key of the first")
	}
	one.open(site.Origin + p.path("web") + "?do=delete")
	one.fill("#value", "web")
	one.confirm()
	one.untilText("web is deleted.")
	two.confirm()
	two.untilText("There is no such key")
	two.awaitProblem("404")
}

// TestLive: a list and a view follow what others do, without a reload, and what a person is typing stays.
func TestLive(t *testing.T) {
	p := newAdministrator(t, "live")
	tb, site := p.browse()
	tb.untilText("No keys in live")
	p.newKey("web", v1alpha1.APIKeySpec{DisplayName: "Website"})
	tb.untilText("Website")
	tb.untilText("Active, never used")
	key := tb.second()
	key.problemsExpected = true // it may ask once more for the deleted key
	key.open(site.Origin + p.path("web"))
	key.fill("#explain-permission", "half typ")
	changed := p.key("web")
	changed.Spec.Suspend = true
	if err := p.cluster.admin.Update(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	key.untilText("Inactive, disabled")
	if typed := eval[string](key, "document.querySelector('#explain-permission').value"); typed != "half typ" {
		t.Errorf("the field holds %q", typed)
	}
	key.open("about:blank")
	if err := p.cluster.admin.Delete(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	call(tb, page.BringToFront, cdp.Empty{})
	tb.untilText("No keys in live")
}

// TestMarkup: HTML and scripts in every text of an APIKey stay text.
func TestMarkup(t *testing.T) {
	p := newAdministrator(t, "markup")
	const markup = `<img src=x onerror=alert(1)>"'</script><script>alert(2)</script>`
	p.newKey("web", v1alpha1.APIKeySpec{DisplayName: markup})
	tb, site := p.browse()
	tb.untilText(markup)
	tb.open(site.Origin + p.path("web"))
	tb.untilText(markup)
	tb.open(site.Origin + p.path("web") + "?do=rename")
	tb.untilText("What the key is for")
	if value := eval[string](tb, "document.querySelector('#value').value"); value != markup {
		t.Errorf("the field holds %q", value)
	}
	tb.do(chromedp.SetValue(chromedp.CSS("#value"), markup+"\u202e")) // no keyboard types it
	tb.confirm()
	tb.awaitProblem("422")
	tb.open(site.Origin + "/?q=" + "%3Cscript%3Ealert(3)%3C/script%3E")
	tb.untilText("No key matches")
	if n := eval[int](tb, "document.querySelectorAll('main script, main img').length"); n > 0 {
		t.Errorf("%d elements came from texts", n)
	}
	if len(tb.dialogs) > 0 {
		t.Errorf("scripts ran: %v", tb.dialogs)
	}
}

// TestFewRights: a user who may only read sees the keys, and each action names the rule that is missing.
func TestFewRights(t *testing.T) {
	p := newAdministrator(t, "few-rights")
	p.newKey("web", v1alpha1.APIKeySpec{DisplayName: "Website"})
	nobody := p.newUser("few-rights-nobody")
	tb, _ := nobody.browse()
	tb.untilText("You may not see or do this")
	tb.untilText(`resources: ["apikeys"], verbs: ["list"]`)
	tb.awaitProblem("403")

	reader := p.newUser("few-rights-reader", allow([]string{"apikeys"}, nil, []string{"get", "list"}))
	tb, site := reader.browse()
	tb.untilText("Website")
	tb.untilText("The list does not update by itself.")
	tb.open(site.Origin + p.path("web") + "?do=suspend")
	tb.confirm()
	tb.untilText(`resources: ["apikeys"], verbs: ["patch"]`)
	tb.awaitProblem("403")
	if p.key("web").Spec.Suspend {
		t.Error("the key is disabled")
	}
}

// TestKeyInSearch: a key that is typed into the search is in no address, also while it is typed.
func TestKeyInSearch(t *testing.T) {
	p := newAdministrator(t, "search")
	p.newKey("web", v1alpha1.APIKeySpec{DisplayName: "Website"})
	tb, _ := p.browse()
	plain := p.plain("web")
	tb.fill("input[type=search]", plain)
	tb.until("!document.querySelector('input[type=search]').checkValidity()")
	tb.keys("\r")
	tb.fill("input[type=search]", "website")
	tb.until("location.search === '?q=website'")
	if entries := eval[string](tb, "navigation.entries().map(e => e.url).join(' ')"); strings.Contains(entries, plain[:20]) {
		t.Errorf("the history is %s", strings.ReplaceAll(entries, plain[8:], "…"))
	}
}
