// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"strings"
	"testing"
)

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
		judge judgement
		given answer
		want  string // part of what is said; empty: nothing
	}{
		"admitted":                           {admitted(sample()), allowed, ""},
		"admitted: not with 200":             {admitted(sample()), answer{status: http.StatusAccepted, body: allowed.body}, "got 202"},
		"admitted: another key":              {admitted(shortLived()), allowed, "short-lived"},
		"admitted: with the credential":      {admitted(sample()), answer{status: http.StatusOK, body: allowed.body + "X-Api-Key: (is here, and should not be)"}, "credential"},
		"turnedAway":                         {turnedAway(http.StatusTooManyRequests, "rate_limited"), limited, ""},
		"turnedAway: for another reason":     {turnedAway(http.StatusTooManyRequests, "expired"), limited, "got 429 rate_limited"},
		"turnedAway: with another code":      {turnedAway(http.StatusForbidden, "rate_limited"), limited, "want 403"},
		"limitReached":                       {limitReached, limited, ""},
		"limitReached: not":                  {limitReached, allowed, "want 429"},
		"limitReached: without Retry-After":  {limitReached, without("Retry-After"), "Retry-After"},
		"limitReached: without what is left": {limitReached, without("RateLimit"), "RateLimit"},
		"limitReached: without the policy":   {limitReached, without("RateLimit-Policy"), "RateLimit-Policy"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.judge(c.given)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("said %v, want %q", err, c.want)
			}
		})
	}
}
