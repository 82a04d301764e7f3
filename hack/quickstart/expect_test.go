// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// settled returns an APIKey and its Secret in the state that the operator leaves.
func settled() observation {
	o := observation{
		apikey: &v1alpha1.APIKey{
			ObjectMeta: metav1.ObjectMeta{Name: "web", Generation: 2, UID: "a", ResourceVersion: "7"},
			Status: v1alpha1.APIKeyStatus{
				ObservedGeneration: 2,
				Phase:              v1alpha1.PhaseActive,
				Keys:               []v1alpha1.KeyRecord{{State: v1alpha1.KeyActive}},
				LastUsedAt:         new(metav1.Unix(1, 0)),
				LastRotation:       &v1alpha1.LastRotation{Trigger: v1alpha1.TriggerCreated},
				Conditions:         []metav1.Condition{{Type: v1alpha1.ConditionActive, Status: metav1.ConditionTrue}},
			},
		},
		secret: &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: "web", UID: "s", ResourceVersion: "8"},
			Data:       map[string][]byte{v1alpha1.SecretKeyDefault: []byte("ak_prod_" + strings.Repeat("0", 49))},
		},
	}
	o.apikey.Status.Keys[0].Digest = o.digest()

	return o
}

func TestExpectations(t *testing.T) {
	before, isActive := settled(), conditionIs(v1alpha1.ConditionActive, metav1.ConditionTrue)
	for name, c := range map[string]struct {
		expect expectation
		change func(*observation) // that makes it unmet
		want   string             // part of what is said then
	}{
		"reconciled: an older generation": {reconciled, func(o *observation) { o.apikey.Generation = 3 }, "is 2, want 3"},
		"reconciled: no APIKey":           {reconciled, func(o *observation) { o.apikey = nil }, "no such APIKey"},
		"phaseIs: another":                {phaseIs(v1alpha1.PhaseActive), func(o *observation) { o.apikey.Status.Phase = "Pending" }, "Pending"},
		"conditionIs: none":               {isActive, func(o *observation) { o.apikey.Status.Conditions = nil }, "no condition Active"},
		"conditionIs: another":            {isActive, func(o *observation) { o.apikey.Status.Conditions[0].Status = "False" }, "is False"},
		"looksLikeKey: no Secret":         {looksLikeKey, func(o *observation) { o.secret = nil }, "no API key"},
		"looksLikeKey: something else":    {looksLikeKey, func(o *observation) { o.secret.Data["api-key"] = []byte("ak_prod_1") }, "no API key"},
		"onlyKeyIsInSecret: another key":  {onlyKeyIsInSecret, func(o *observation) { o.secret.Data["api-key"] = []byte("x") }, "digest"},
		"onlyKeyIsInSecret: not active":   {onlyKeyIsInSecret, func(o *observation) { o.apikey.Status.Keys[0].State = "Pending" }, "Active"},
		"onlyKeyIsInSecret: a second record": {
			onlyKeyIsInSecret, func(o *observation) { o.apikey.Status.Keys = append(o.apikey.Status.Keys, v1alpha1.KeyRecord{}) }, "one",
		},
		"noPlaintext: in the status": {noPlaintext, func(o *observation) { o.apikey.Status.LastRotation.Value = o.key() }, "never"},
		"secretIs: written":          {secretIs(before.secret), func(o *observation) { o.secret.ResourceVersion = "9" }, "written"},
		"secretIs: made again":       {secretIs(before.secret), func(o *observation) { o.secret.UID = "t" }, "written or deleted"},
		"secretIs: gone":             {secretIs(before.secret), func(o *observation) { o.secret = nil }, "deleted"},
		"apikeyIs: written":          {apikeyIs(before.apikey), func(o *observation) { o.apikey.ResourceVersion = "9" }, "written"},
		"apikeyIs: gone":             {apikeyIs(before.apikey), func(o *observation) { o.apikey = nil }, "deleted"},
		"used: never":                {used, func(o *observation) { o.apikey.Status.LastUsedAt = nil }, "lastUsedAt"},
		"handedOut: never":           {handedOut, func(o *observation) { o.apikey.Status.LastRotation = nil }, "no key"},
	} {
		t.Run(name, func(t *testing.T) {
			o := settled()
			if err := c.expect(o); err != nil {
				t.Fatalf("not met before the change: %v", err)
			}
			c.change(&o)
			if err := c.expect(o); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("said %v, want %q", err, c.want)
			}
		})
	}
}

func TestExpectationsOfAbsence(t *testing.T) {
	old := settled()
	if err := meets(observation{}, []expectation{apikeyGone, secretGone}); err != nil {
		t.Errorf("nothing is there, but: %v", err)
	}
	for name, expect := range map[string]expectation{"apikeyGone": apikeyGone, "secretGone": secretGone, "replaced": replaced(old)} {
		if expect(settled()) == nil {
			t.Errorf("%s is met, but nothing has changed", name)
		}
	}
}

func TestReplacedLooksForTheOldDigestToo(t *testing.T) {
	old, now := settled(), settled()
	now.secret.Data[v1alpha1.SecretKeyDefault] = []byte("another")
	now.apikey.Status.Keys[0].Digest = now.digest()
	if err := replaced(old)(now); err != nil {
		t.Errorf("another key: %v", err)
	}
	now.apikey.Status.Keys = append(now.apikey.Status.Keys, v1alpha1.KeyRecord{Digest: old.digest(), State: v1alpha1.KeyRetiring})
	if replaced(old)(now) == nil {
		t.Error("the old digest is still in status.keys")
	}
}

func TestRetiringLooksForTheOldRecordAndItsEnd(t *testing.T) {
	old, now := settled(), settled()
	if retiring(old)(now) == nil {
		t.Error("it is met, but nothing has changed")
	}
	now.secret.Data[v1alpha1.SecretKeyDefault] = []byte("another")
	if retiring(old)(now) == nil {
		t.Error("it is met, but the old key is still Active")
	}
	now.apikey.Status.Keys[0].State = v1alpha1.KeyRetiring
	if retiring(old)(now) == nil {
		t.Error("it is met, but the old key has no end")
	}
	now.apikey.Status.Keys[0].NotAfter = new(metav1.Unix(1, 0))
	if err := retiring(old)(now); err != nil {
		t.Errorf("the old key is retiring: %v", err)
	}
}

// The digest is computed here without the operator's own code: a mistake there must not hide itself.
func TestDigestIsSHA256InBase64URL(t *testing.T) {
	o := observation{secret: &corev1.Secret{Data: map[string][]byte{v1alpha1.SecretKeyDefault: []byte("abc")}}}
	if want := "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"; o.digest() != want { // FIPS 180-4, example "abc"
		t.Errorf("digest is %s, want %s", o.digest(), want)
	}
}

func TestRequestLineShowsNoKey(t *testing.T) {
	r := request{path: "/customers", headers: []string{withKey, "X-Other: a"}, whole: true}
	want := `curl -i -H "X-API-Key: $KEY" -H "X-Other: a" http://127.0.0.1:1/customers`
	if got := r.line("http://127.0.0.1:1"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAskSendsTheKeyAndShowsItNot(t *testing.T) {
	said := new(strings.Builder)
	g := &guide{narrator: newNarrator(said), demo: served(t, http.HandlerFunc(echo)).String(), key: "secret"}
	sent := false
	err := g.ask(t.Context(), customers(withKey), func(a answer) error {
		sent = strings.Contains(a.body, "X-Api-Key: (is here") // what echo says of a key that gets to it

		return nil
	})
	if err != nil || !sent || strings.Contains(said.String(), "secret") {
		t.Errorf("error %v, key sent: %t, said\n%s", err, sent, said)
	}
}

func TestJudgements(t *testing.T) {
	allowed := answer{status: http.StatusOK, body: "GET /customers\nX-Apikey-Name: main-website\nX-Apikey-Namespace: storefront\n"}
	limited := answer{status: http.StatusTooManyRequests, header: http.Header{
		"X-Apikey-Reason": {"rate_limited"}, "Retry-After": {"30"}, "Ratelimit": {`"default";r=0`}, "Ratelimit-Policy": {`"default";q=2`},
	}}
	without := func(name string) answer {
		a := answer{status: limited.status, header: limited.header.Clone()}
		a.header.Del(name)

		return a
	}
	for name, c := range map[string]struct {
		check answerCheck
		given answer
		want  string // part of what is said; empty: nothing
	}{
		"admitted":               {admitted(sample()), allowed, ""},
		"admitted: not with 200": {admitted(sample()), answer{status: http.StatusAccepted, body: allowed.body}, "got 202"},
		"admitted: another key":  {admitted(shortLived()), allowed, "short-lived"},
		"admitted: with the credential": {
			admitted(sample()), answer{status: http.StatusOK, body: allowed.body + "X-Api-Key: (is here, and should not be)"}, "credential",
		},
		"refusedWith":                        {refusedWith(http.StatusTooManyRequests, "rate_limited"), limited, ""},
		"refusedWith: for another reason":    {refusedWith(http.StatusTooManyRequests, "expired"), limited, "got 429 rate_limited"},
		"refusedWith: with another code":     {refusedWith(http.StatusForbidden, "rate_limited"), limited, "want 403"},
		"limitReached":                       {limitReached, limited, ""},
		"limitReached: not":                  {limitReached, allowed, "want 429"},
		"limitReached: without Retry-After":  {limitReached, without("Retry-After"), "Retry-After"},
		"limitReached: without what is left": {limitReached, without("RateLimit"), "RateLimit"},
		"limitReached: without the policy":   {limitReached, without("RateLimit-Policy"), "RateLimit-Policy"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.check(c.given)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("said %v, want %q", err, c.want)
			}
		})
	}
}
