// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package observability

import (
	"strings"
	"testing"
)

// TestNoAlertFires evaluates all alerts on series of installations in which nothing is wrong, or no longer.
func TestNoAlertFires(t *testing.T) {
	for sentence, c := range map[string]struct {
		series  map[string]string
		without []string
	}{
		"while all is well": {},
		"without guardrails, which an operator need not require": {
			without: []string{operator + `guardrails_in_force{instance="operator"}`},
		},
		"while a busy installation begins": {
			series: map[string]string{verifier + `decisions_total{instance="verifier",code="401",reason="unknown"}`: `0+600x1600`},
		},
		"while pods are replaced one after the other": {
			series: map[string]string{
				operator + `apikeys{instance="operator",environment="Staging",phase="Pending"}`: `0x20 stale`,
				operator + `apikeys{instance="next",environment="Staging",phase="Pending"}`:     `_x20 0x1600`,
				operator + `watch_up{instance="operator",resource="apikeys"}`:                   `1x20 stale`,
				operator + `watch_up{instance="next",resource="apikeys"}`:                       `_x20 0 1x1600`,
				verifier + `index_watch_up{instance="verifier",resource="apikeys"}`:             `1x20 stale`,
				verifier + `index_watch_up{instance="next",resource="apikeys"}`:                 `_x20 0 1x1600`,
				verifier + `index_keys{instance="verifier"}`:                                    `10x20 stale`,
				verifier + `index_keys{instance="next"}`:                                        `_x20 10x1600`,
			},
		},
		"for an APIKey that ended long ago because its key was not claimed": {
			series: map[string]string{operator + `apikeys_not_ready{instance="operator",reason="NotClaimed"}`: `1x1600`},
		},
		"for a store of rate limits that no request has needed yet": {
			series: map[string]string{verifier + `rate_limit_store_up{instance="verifier"}`: `0x1600`},
		},
		"for a store of rate limits that did not answer once": {
			series: map[string]string{verifier + `rate_limit_fallback_total{instance="verifier"}`: `0x20 1x1600`},
		},
		"for keys that were made to live for some hours": {
			series: map[string]string{operator + `apikeys_expiring{instance="operator",environment="Staging",within="24h"}`: `5x1600`},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			want := map[string][]map[string]any{"1m": nil, "25m": nil, "30m": nil, "1h": nil, "90m": nil}
			if strings.HasSuffix(sentence, "not claimed") {
				want = map[string][]map[string]any{"1500m": nil}
			}
			evaluate(t, c.series, c.without, want)
		})
	}
}
