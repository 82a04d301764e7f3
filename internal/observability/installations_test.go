// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package observability

import (
	"strings"
	"testing"
)

// TestAlertsNameTheInstallation evaluates the series of two installations in one Prometheus, of which one is well.
func TestAlertsNameTheInstallation(t *testing.T) {
	for alert, c := range map[string]struct{ well, ill, values, labels string }{
		"APIKeyGuardrailsNotInForce": {
			operator + `guardrails_in_force{namespace="well"}`, operator + `guardrails_in_force{namespace="ill"}`, `0x90`, `severity="critical"`,
		},
		"APIKeyMintingFails": {
			operator + `apikeys_not_ready{namespace="well",reason="RequestFailed"}`, operator + `apikeys_not_ready{namespace="ill",reason="RequestFailed"}`,
			`1x90`, `severity="warning",reason="RequestFailed"`,
		},
		"APIKeyGatewayMisconfigured": {
			verifier + `decisions_total{namespace="well",code="500",reason="misconfigured"}`,
			verifier + `decisions_total{namespace="ill",code="500",reason="misconfigured"}`, `0+60x90`, `severity="critical"`,
		},
		"APIKeyVerifierStale": {
			verifier + `decided_while_stale_total{namespace="well"}`, verifier + `decided_while_stale_total{namespace="ill"}`, `0+60x90`, `severity="critical"`,
		},
	} {
		t.Run(alert, func(t *testing.T) {
			well := `0x90`
			if alert == "APIKeyGuardrailsNotInForce" {
				well = `1x90`
			}
			fires := []map[string]any{{
				"labels": `ALERTS{alertname="` + alert + `",alertstate="firing",namespace="ill",` + c.labels + `}`, "value": 1,
			}}
			evaluate(t, map[string]string{c.well: well, c.ill: c.values}, nil, map[string][]map[string]any{"1m": nil, "20m": fires})
		})
	}
}

// TestDashboardAddsInstallations evaluates panels on the series of two installations with a standby replica each. Prometheus knows them by
// a job that has not the name of this project.
func TestDashboardAddsInstallations(t *testing.T) {
	const targets = `{namespace="one",job="keys",instance="1"} {namespace="one",job="keys",instance="2"} ` +
		`{namespace="two",job="keys",instance="3"} {namespace="two",job="keys",instance="4"}`
	var inputs []map[string]any
	for target := range strings.FieldsSeq(targets) {
		with := func(labels string) string { return strings.TrimSuffix(target, "}") + labels + "}" }
		for series, values := range map[string]string{
			"apikey_operator_apikeys" + with(`,environment="Staging",phase="Active"`):                  "3x10",
			"apikey_operator_apikeys" + with(`,environment="Production",phase="Active"`):               "1x10",
			"apikey_operator_apikeys_expiring_soon" + with(`,environment="Staging",within="24h"`):      "2x10",
			"apikey_operator_apikeys_not_ready" + with(`,reason="PolicyDenied"`):                       "1x10",
			"apikey_operator_apikeys_not_ready" + with(`,reason="NotClaimed"`):                         "7x10",
			"apikey_operator_watch_up" + with(`,resource="apikeys"`):                                   "1x10",
			"process_resident_memory_bytes" + target:                                                   "5x10",
			"process_resident_memory_bytes" + strings.Replace(target, `"keys"`, `"something-else"`, 1): "9x10",
		} {
			inputs = append(inputs, map[string]any{"series": series, "values": values})
		}
	}
	sample := func(labels string, value int) map[string]any { return map[string]any{"labels": labels, "value": value} }
	var memory []map[string]any
	for target := range strings.FieldsSeq(targets) {
		memory = append(memory, sample("process_resident_memory_bytes"+target, 5))
	}
	var tests []map[string]any
	for title, samples := range map[string][]map[string]any{
		"Active keys":                {sample("{}", 8)},
		"Expire within a day":        {sample("{}", 4)},
		"In the way":                 {sample("{}", 2)},
		"Active keys by environment": {sample(`{environment="Production"}`, 2), sample(`{environment="Staging"}`, 6)},
		"Memory":                     memory,
	} {
		tests = append(tests, map[string]any{"expr": queryOf(t, title), "eval_time": "5m", "exp_samples": samples})
	}
	promtool(t, map[string]any{"tests.yaml": map[string]any{
		"evaluation_interval": "1m", "tests": []map[string]any{{"interval": "1m", "input_series": inputs, "promql_expr_test": tests}},
	}}, "test", "rules", "tests.yaml")
}

// queryOf returns the first query of a panel for all environments.
func queryOf(t *testing.T, title string) string {
	t.Helper()
	for _, panel := range readDashboard(t).Panels {
		if panel.Title == title {
			return strings.ReplaceAll(panel.Targets[0].Expr, "$environment", ".*")
		}
	}
	t.Fatalf("the dashboard has no panel %q", title)

	return ""
}
