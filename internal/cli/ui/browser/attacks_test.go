// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// TestForeignPages: pages of other sites, and of other programs on loopback, neither change nor read anything with the session of the person.
func TestForeignPages(t *testing.T) {
	p := newAdministrator(t, "foreign-pages")
	p.newKey("shop", v1alpha1.APIKeySpec{DisplayName: "Shop"})
	tb, s := p.browse()
	tb.open(s.Origin + p.path("shop") + "?do=suspend")
	tb.untilText("Disable this key?")
	seen := eval[string](tb, "document.querySelector('#action [name=seen]').value")
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>attack</title><body>attack</body>"))
	}))
	t.Cleanup(other.Close)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(other.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	for _, origin := range []string{other.URL, "http://" + foreignHost + ":" + port} {
		attacker := tb.second()
		attacker.problemsExpected = true
		attacker.open(origin)
		target := quoted(s.Origin + p.path("shop"))
		eval[string](attacker, "fetch("+target+"+'/suspend', {method: 'POST', mode: 'no-cors', credentials: 'include', "+
			"body: new URLSearchParams({seen: "+quoted(seen)+"})}).then(r => r.type, () => 'blocked')")
		if got := eval[string](attacker, "fetch("+target+", {credentials: 'include'}).then(() => 'read', () => 'refused')"); got != "refused" {
			t.Errorf("%s reads the page with fetch", origin)
		}
		eval[bool](attacker, "new Promise(done => { const f = document.createElement('iframe'); f.onload = () => done(true); "+
			"f.src = "+target+"; document.body.append(f) })")
		if !eval[bool](attacker, "(() => { try { return !document.querySelector('iframe').contentDocument?.body?.innerText.includes('Shop') } "+
			"catch { return true } })()") {
			t.Errorf("%s frames the page", origin)
		}
		eval[bool](attacker, "(() => { const f = document.createElement('form'); f.method = 'post'; f.action = "+target+"+'/suspend'; "+
			"f.innerHTML = '<input name=seen>'; f.elements.seen.value = "+quoted(seen)+"; document.body.append(f); f.submit(); return true })()")
		attacker.untilText("This request comes from another site.")
	}
	if p.key("shop").Spec.Suspend {
		t.Error("a foreign page has disabled the key")
	}
	tb.confirm() // the same request from the page itself
	tb.untilText("The key is disabled.")
}

// TestRebinding: a name of the attacker that resolves to loopback gets nothing.
func TestRebinding(t *testing.T) {
	p := newAdministrator(t, "rebinding")
	tb, s := p.browse()
	tb.open(strings.Replace(s.Origin, "127.0.0.1", foreignHost, 1) + "/")
	tb.untilText("This server answers at " + s.Origin + " alone.")
	tb.awaitProblem("421")
}

// TestMarkupOnEveryView: what users write is text on every view, and so is what an address holds.
func TestMarkupOnEveryView(t *testing.T) {
	const markup = `<script>window.pwned=1</script><img src=x onerror="window.pwned=1">`
	p := newAdministrator(t, "markup-views")
	key := p.newKey("shop", v1alpha1.APIKeySpec{DisplayName: markup})
	p.change("shop", func(k *v1alpha1.APIKey) { k.Annotations = map[string]string{"example.com/note": markup} })
	now := metav1.NewTime(time.Now())
	p.create(&corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: p.namespace, Name: "markup"},
		InvolvedObject: corev1.ObjectReference{APIVersion: v1alpha1.GroupVersion.String(), Kind: "APIKey", Namespace: p.namespace, Name: "shop", UID: key.UID},
		Type:           corev1.EventTypeWarning, Reason: "Markup", Message: markup, FirstTimestamp: now, LastTimestamp: now,
	})
	tb, s := p.browse()
	for _, path := range []string{
		"/", "/?q=" + "%3Cscript%3Ewindow.pwned%3D1%3C%2Fscript%3E", "/audit", "/policies", "/roles", "/create",
		p.path("shop"), p.path("shop") + "?do=rename", p.path("shop") + "?do=delete", "/audit?unused=%3Cscript%3E",
	} {
		tb.open(s.Origin + path)
		if eval[bool](tb, "!!window.pwned || document.querySelectorAll('main img, main script').length > 0") {
			t.Errorf("%s: markup of a user is markup of the page", path)
		}
	}
	tb.open(s.Origin + p.path("shop"))
	tb.untilText("onerror=")
	if got := strings.Count(tb.text("#timeline"), "onerror="); got != 1 {
		t.Errorf("the timeline shows the message of the event %d times", got)
	}
}
