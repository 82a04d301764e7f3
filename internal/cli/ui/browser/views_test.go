// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// screenshotsFolder names the variable with the folder for screenshots, which `make screenshots` sets.
const screenshotsFolder = "SCREENSHOTS"

// inspector looks at each view in both colour schemes, wide and narrow.
type inspector struct {
	*tab

	axe, folder string
}

// newInspector returns the inspector of a tab.
func newInspector(t *testing.T, tb *tab) *inspector {
	t.Helper()

	return &inspector{tab: tb, axe: axe(t), folder: os.Getenv(screenshotsFolder)}
}

// inspect reports what keeps people from using the page as it is now, and writes screenshots where they are asked for.
func (i *inspector) inspect(name string) {
	i.t.Helper()
	for _, width := range []int64{1280, 360} {
		for _, scheme := range []string{"light", "dark"} {
			i.look(width, 660, scheme)
			what := fmt.Sprintf("%s, %s, %d px", name, scheme, width)
			for _, barrier := range i.barriers(i.axe) {
				i.t.Errorf("%s: %s", what, barrier)
			}
			if wide := eval[int64](i.tab, "document.documentElement.scrollWidth"); wide > width {
				i.t.Errorf("%s: the page is %d px wide", what, wide)
			}
			if i.folder != "" {
				i.photograph(fmt.Sprintf("%s-%s-%d.png", name, scheme, width))
			}
		}
	}
	i.look(1280, 900, "light")
}

// photograph writes a screenshot of the whole page.
func (i *inspector) photograph(file string) {
	i.t.Helper()
	png, err := chromedp.Run(i.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		i.t.Fatal(err)
	}
	if err := os.MkdirAll(i.folder, 0o750); err != nil {
		i.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(i.folder, file), png, 0o600); err != nil {
		i.t.Fatal(err)
	}
}

// goTo opens a path of the page and waits for a text.
func (i *inspector) goTo(s *site, path, text string) {
	i.t.Helper()
	i.open(s.Origin + path)
	i.untilText(text)
}

// TestViews inspects every view in every state that a person can get to.
func TestViews(t *testing.T) {
	p := newAdministrator(t, "storefront")
	tb, s := p.browse()
	i := newInspector(t, tb)
	i.untilText("No keys")
	i.inspect("list-empty")
	i.goTo(s, "/policies", "No policies")
	i.inspect("policies-empty")
	i.goTo(s, "/roles", "No roles")
	i.inspect("roles-empty")
	i.goTo(s, "/audit", "Nothing to report")
	i.inspect("audit-empty")

	p.furnish()
	for _, v := range []struct{ name, path, text string }{
		{"list", "/", "Main Website Integration"},
		{"list-none-found", "/?q=nothing-is-called-so", "No key"},
		{"policies", "/policies", "production-keys"},
		{"roles", "/roles", "synchronizer"},
		{"audit", "/audit", "The key names no owner"},
		{"audit-wrong", "/audit?unused=soon", "no length of time"},
		{"key", p.path("main-website"), "What it may do"},
		{"key-rotating", p.path("data-synchronizer"), "Rotating until"},
		{"key-revoked", p.path("leaked"), "revoked"},
		{"key-rename", p.path("main-website") + "?do=rename", "Rename"},
		{"key-regenerate", p.path("main-website") + "?do=rotate", "Regenerate this key?"},
		{"key-disable", p.path("main-website") + "?do=suspend", "Disable this key?"},
		{"key-revoke", p.path("main-website") + "?do=revoke", "Revoke this key for good?"},
		{"key-delete", p.path("main-website") + "?do=delete", "to confirm"},
		{"create", "/create", "Create key"},
		{"once-gone", p.path("main-website") + "/once", "not shown again"},
	} {
		i.goTo(s, v.path, v.text)
		i.inspect(v.name)
	}
	i.goTo(s, p.path("no-such-key"), "There is no such key")
	i.awaitProblem("404")
	i.inspect("failure")
}

// TestFilledViews inspects the views that need something typed.
func TestFilledViews(t *testing.T) {
	p := newAdministrator(t, "filled")
	p.furnish()
	tb, s := p.browse()
	i := newInspector(t, tb)
	i.goTo(s, p.path("main-website"), "Why is my call refused?")
	i.fill("#explain-permission", "customers:delete")
	i.press("Explain")
	i.untilText("permission_denied")
	i.inspect("key-explained")

	i.goTo(s, "/create", "Create key")
	i.fill("#displayName", "Integration with CRM")
	i.click("input[name=environment][value=Production]")
	i.untilText("The API server would refuse this.") // the policy wants customers
	i.inspect("create-refused")
	i.fill("#customers", "acme, globex")
	i.untilText("The API server would accept this.")
	i.inspect("create-accepted")
	i.click("form .primary")
	i.untilText("Copy your key now")
	i.inspect("once-shown")
	i.click("#stored")
	i.press("Done")
	i.untilAt(p.path("integration-with-crm"))

	i.goTo(s, "/create", "Create key")
	eval[bool](i.tab, "(document.getElementById('create').submit(), true)") // as a browser without JavaScript does
	i.untilText("Say what the key is for")
	i.awaitProblem("422")
	i.inspect("create-wrong")
}

// TestViewsOfLittleRights inspects what a user sees who may do little.
func TestViewsOfLittleRights(t *testing.T) {
	p := newAdministrator(t, "little")
	p.furnish()
	jane := p.newUser("jane-little", allow([]string{"apikeys"}, nil, []string{"get", "list", "watch", "create"}),
		allow([]string{"permissions"}, []string{"customers:read"}, []string{"grant"}),
		allow([]string{"environments"}, []string{"Development"}, []string{"use"}))
	tb, s := jane.browse()
	i := newInspector(t, tb)
	i.goTo(s, "/create", "you may not grant this")
	i.inspect("create-little-rights")
	i.goTo(s, p.path("main-website"), "What it may do")
	i.inspect("key-little-rights")
	i.goTo(s, "/policies", "You may not list policies")
	i.inspect("policies-unread")
	i.goTo(s, "/audit", "Not everything was judged")
	i.inspect("audit-unread")
	eve := p.newUser("eve-little", allow([]string{"apikeys"}, nil, []string{"get"}))
	tb = newTab(t)
	s = eve.serve()
	tb.open(s.Link)
	tb.untilText("You may not see or do this")
	tb.awaitProblem("403")
	newInspector(t, tb).inspect("forbidden")
	other := newTab(t)
	other.open(s.Link)
	other.untilText("This link was used before")
	other.awaitProblems(2) // the token was refused, and so was the list
	newInspector(t, other).inspect("link-used")
	other.open(s.Origin + "/")
	other.untilText("This browser was not let in")
	other.awaitProblem("401")
	newInspector(t, other).inspect("stranger")
}

// furnish fills a namespace: keys in every state, two roles and a policy.
func (p *person) furnish() {
	p.t.Helper()
	p.create(&v1alpha1.APIKeyRole{
		ObjectMeta: metav1.ObjectMeta{Name: p.namespace + "-synchronizer"},
		Spec:       v1alpha1.APIKeyRoleSpec{Permissions: []v1alpha1.Permission{"customers:read", "customers:write", "orders:read"}},
	})
	p.newKey("main-website", v1alpha1.APIKeySpec{
		DisplayName: "Main Website Integration", Permissions: []v1alpha1.Permission{"customers:read", "telemetry:write"},
		RateLimit: &v1alpha1.RateLimit{Requests: 100, Per: "1m", Burst: 20}, ValidFor: "8760h",
		Customers: []v1alpha1.Customer{"acme"}, Owner: "jane@example.com",
	})
	p.newKey("data-synchronizer", v1alpha1.APIKeySpec{
		DisplayName: "Data Synchronizer", Roles: []v1alpha1.RoleName{v1alpha1.RoleName(p.namespace + "-synchronizer")}, ValidFor: "288h",
		Permissions: []v1alpha1.Permission{"invoices:read", "invoices:write", "reports:read", "telemetry:write"},
	})
	p.newKey("nightly-export", v1alpha1.APIKeySpec{DisplayName: "Nightly export", Environment: v1alpha1.EnvironmentDevelopment})
	p.newKey("sandbox", v1alpha1.APIKeySpec{DisplayName: "Partner sandbox", Environment: v1alpha1.EnvironmentStaging})
	p.newKey("leaked", v1alpha1.APIKeySpec{DisplayName: "Leaked in build log"})
	p.create(&v1alpha1.APIKeyPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: p.namespace + "-production-keys"},
		Spec: v1alpha1.APIKeyPolicySpec{
			NamespaceSelector: &v1alpha1.NamespaceSelector{MatchLabels: map[string]v1alpha1.LabelValue{"team": v1alpha1.LabelValue(p.namespace)}},
			Customers:         &v1alpha1.CustomerPolicy{Required: true},
			Expiry:            &v1alpha1.ExpiryPolicy{Default: "8760h", Maximum: "17520h"},
			RateLimit:         &v1alpha1.RateLimitPolicy{Maximum: &v1alpha1.RateLimit{Requests: 1000, Per: "1m"}},
		},
	})
	p.change("sandbox", func(k *v1alpha1.APIKey) { k.Spec.Suspend = true })
	p.change("leaked", func(k *v1alpha1.APIKey) { k.Spec.Revoked = true })
	p.change("data-synchronizer", func(k *v1alpha1.APIKey) {
		k.Annotations = map[string]string{v1alpha1.RotateAnnotation: time.Now().UTC().Format("20060102T150405") + ",overlap=1h"}
	})
	p.untilKey("leaked", "is Revoked", func(k *v1alpha1.APIKey) bool { return k.Status.Phase == v1alpha1.PhaseRevoked })
	p.untilKey("data-synchronizer", "has two keys", func(k *v1alpha1.APIKey) bool { return len(k.Status.Keys) == 2 })
}
