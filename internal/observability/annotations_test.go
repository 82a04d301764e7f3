// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package observability

import (
	"maps"
	"regexp"
	"strings"
	"testing"
)

// summaries are the summaries of the first case of each alert whose annotations have a template.
func summaries() map[string]string {
	return map[string]string{ //nolint:gosec // G101: the name of an alert says certificate
		"APIKeyOperatorMissesChanges":        "operator misses changes of secrets.",
		"APIKeyMintingFails":                 "3 APIKeys cannot be minted, rotated or ended: RequestRefused.",
		"APIKeyBlocked":                      "1 APIKeys wait for somebody to act: SecretConflict.",
		"APIKeyPending":                      "2 APIKeys of Production have no key.",
		"APIKeyNotClaimed":                   "1 keys were not claimed in time within a day and are revoked.",
		"APIKeyDisputed":                     "2 keys are in the status of more than one APIKey and are refused.",
		"APIKeyExpiresIn30Days":              "2 keys of Staging expire within 30 days.",
		"APIKeyExpiresIn7Days":               "2 keys of Staging expire within 7 days.",
		"APIKeyExpiresTomorrow":              "2 keys of Staging expire within a day.",
		"APIKeyUnused":                       "4 keys of Staging were not used for 90 days.",
		"APIKeyMetricsCertificateSelfSigned": "operator serves its metrics with a self-signed certificate.",
		"APIKeyVerifierMissesChanges":        "verifier may miss changes of apikeys: revoked keys may still pass.",
		"APIKeyGatewayCertificateSelfSigned": "verifier answers gateways with a self-signed certificate.",
		"APIKeyRateLimitStoreDegraded":       "verifier decides rate limits without the shared store.",
		"APIKeyRefusalsUnusual":              "Requests are refused with 401 at 10.0 per second, more than five times the average of a day.",
	}
}

// TestAnnotationsRender compares the annotations of each alert, as promtool renders them, with the wanted ones.
func TestAnnotationsRender(t *testing.T) {
	rules, done := map[string]rule{}, map[string]bool{}
	for _, rule := range alerts(t).rules() {
		rules[rule.Alert] = rule
	}
	for _, f := range firings() {
		if done[f.alert] {
			continue
		}
		done[f.alert] = true
		t.Run(f.alert, func(t *testing.T) {
			annotations := maps.Clone(rules[f.alert].Annotations)
			if summary, ok := summaries()[f.alert]; ok {
				annotations["summary"] = summary
			}
			for name, text := range annotations {
				if strings.Contains(text, "{{") {
					t.Errorf("the wanted %s is a template: %s", name, text)
				}
			}
			labels := map[string]string{"severity": f.severity}
			for _, label := range regexp.MustCompile(`(\w+)="([^"]*)"`).FindAllStringSubmatch(f.labels, -1) {
				labels[label[1]] = label[2]
			}
			test := map[string]any{"interval": "1m", "input_series": inputOf(f.series, f.without), "alert_rule_test": []map[string]any{{
				"eval_time": f.fires, "alertname": f.alert, "exp_alerts": []map[string]any{{"exp_labels": labels, "exp_annotations": annotations}},
			}}}
			promtool(t, map[string]any{"rules.yaml": alerts(t), "tests.yaml": map[string]any{
				"rule_files": []string{"rules.yaml"}, "evaluation_interval": "1m", "tests": []map[string]any{test},
			}}, "test", "rules", "tests.yaml")
		})
	}
}

// TestAlertsKeepInstallationsApart looks for an aggregation that drops the labels of the installation.
func TestAlertsKeepInstallationsApart(t *testing.T) {
	aggregation := regexp.MustCompile(`\b(sum|min|max|avg|count|group)\b( by \(cluster, namespace\b)?`)
	for _, rule := range alerts(t).rules() {
		for _, found := range aggregation.FindAllStringSubmatch(rule.Expr, -1) {
			if found[2] == "" {
				t.Errorf("%s drops cluster and namespace in %s: %s", rule.Alert, found[1], rule.Expr)
			}
		}
	}
}
