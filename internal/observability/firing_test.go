// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package observability

import (
	"maps"
	"testing"
)

// operator and verifier begin the names of metrics.
const (
	operator = "apikey_operator_"
	verifier = "apikey_verifier_"
)

// healthy are the series of an installation in which nothing is wrong, in the notation of promtool.
func healthy() map[string]string {
	return map[string]string{
		operator + `apikeys{instance="operator",environment="Staging",phase="Pending"}`:            `0x1600`,
		operator + `guardrails_in_force{instance="operator"}`:                                      `1x1600`,
		operator + `watch_up{instance="operator",resource="apikeys"}`:                              `1x1600`,
		operator + `certificate_self_signed{instance="operator",endpoint="metrics"}`:               `0x1600`,
		verifier + `certificate_self_signed{instance="verifier",endpoint="metrics"}`:               `0x1600`,
		verifier + `certificate_self_signed{instance="verifier",endpoint="gateways"}`:              `0x1600`,
		operator + `apikeys_not_ready{instance="operator",reason="RequestFailed"}`:                 `0x1600`,
		operator + `apikeys_expiring_soon{instance="operator",environment="Staging",within="24h"}`: `0x1600`,
		operator + `apikeys_unused{instance="operator",environment="Staging",period="2160h"}`:      `0x2000`,
		operator + `status_records_dropped_total{instance="operator"}`:                             `0x1600`,
		verifier + `index_keys{instance="verifier"}`:                                               `10x1600`,
		verifier + `index_disputed_keys{instance="verifier"}`:                                      `0x1600`,
		verifier + `index_watch_up{instance="verifier",resource="apikeys"}`:                        `1x1600`,
		verifier + `decisions_total{instance="verifier",code="401",reason="unknown"}`:              `0+6x1600`, // 0.1 a second, as ever
		verifier + `decisions_total{instance="verifier",code="503",reason="stale"}`:                `0x1600`,
		verifier + `decided_while_stale_total{instance="verifier"}`:                                `0x1600`,
		verifier + `rate_limit_fallback_total{instance="verifier"}`:                                `0x1600`,
		verifier + `rate_limit_store_up{instance="verifier"}`:                                      `1x1600`,
		verifier + `last_used_writes_total{instance="verifier",result="failed"}`:                   `0x1600`,
	}
}

// firing is a case of one alert: the series that differ from a healthy installation, a time at which the alert does not fire yet, and one
// at which it fires, with the labels that it then has beside its name and severity.
type firing struct {
	alert, severity string
	series          map[string]string
	without         []string // healthy series that are missing
	quiet, fires    string
	labels          string
}

func firings() []firing {
	obstacle := func(reason, values string) map[string]string {
		return map[string]string{operator + `apikeys_not_ready{instance="operator",reason="` + reason + `"}`: values}
	}
	expiring := func(within string) map[string]string {
		return map[string]string{operator + `apikeys_expiring_soon{instance="operator",environment="Staging",within="` + within + `"}`: `2x100`}
	}
	const staging = `environment="Staging"`

	return []firing{
		{
			alert: "APIKeyOperatorAbsent", severity: "critical",
			without: []string{operator + `apikeys{instance="operator",environment="Staging",phase="Pending"}`}, quiet: "4m", fires: "5m",
		},
		{
			alert: "APIKeyOperatorAbsent", severity: "critical", quiet: "14m", fires: "15m", labels: `namespace="other"`, // beside one that runs
			series: map[string]string{operator + `apikeys{namespace="other",environment="Staging",phase="Pending"}`: `0x9 stale`},
		},
		{
			alert: "APIKeyPending", severity: "warning", quiet: "19m", fires: "20m", labels: `environment="Production"`,
			series: map[string]string{operator + `apikeys{instance="operator",environment="Production",phase="Pending"}`: `0x4 2x100`},
		},
		{
			alert: "APIKeyGuardrailsNotInForce", severity: "critical", quiet: "14m", fires: "15m",
			series: map[string]string{operator + `guardrails_in_force{instance="operator"}`: `1x9 0x90`},
		},
		{
			alert: "APIKeyOperatorMissesChanges", severity: "warning", quiet: "11m", fires: "12m", labels: `instance="operator",resource="secrets"`,
			series: map[string]string{operator + `watch_up{instance="operator",resource="secrets"}`: `1x9 0x90`},
		},
		{ // scrapes fail a minute after the API server has gone
			alert: "APIKeyOperatorMissesChanges", severity: "warning", quiet: "11m", fires: "12m", labels: `instance="operator",resource="secrets"`,
			series: map[string]string{operator + `watch_up{instance="operator",resource="secrets"}`: `1x9 0 0 stale`},
		},
		{
			alert: "APIKeyMetricsCertificateSelfSigned", severity: "info", quiet: "59m", fires: "1h", labels: `instance="operator"`,
			series: map[string]string{operator + `certificate_self_signed{instance="operator",endpoint="metrics"}`: `1x100`},
		},
		{
			alert: "APIKeyMetricsCertificateSelfSigned", severity: "info", quiet: "59m", fires: "1h", labels: `instance="verifier"`,
			series: map[string]string{verifier + `certificate_self_signed{instance="verifier",endpoint="metrics"}`: `1x100`},
		},
		{
			alert: "APIKeyGatewayCertificateSelfSigned", severity: "warning", quiet: "13m", fires: "15m", labels: `instance="verifier"`,
			series: map[string]string{verifier + `certificate_self_signed{instance="verifier",endpoint="gateways"}`: `0x9 1x90`},
		},
		{
			alert: "APIKeyMintingFails", severity: "warning",
			series: obstacle("RequestRefused", `0x4 3x100`), quiet: "14m", fires: "15m", labels: `reason="RequestRefused"`,
		},
		{
			alert: "APIKeyBlocked", severity: "warning",
			series: obstacle("SecretConflict", `0x4 1x100`), quiet: "19m", fires: "20m", labels: `reason="SecretConflict"`,
		},
		{alert: "APIKeyNotClaimed", severity: "warning", series: obstacle("NotClaimed", `0x4 1x100`), quiet: "9m", fires: "10m"},
		{alert: "APIKeyDisputed", severity: "critical", series: obstacle("Disputed", `2x100`), quiet: "4m", fires: "5m"},
		{
			alert: "APIKeyDisputed", severity: "critical", quiet: "4m", fires: "5m",
			series: map[string]string{verifier + `index_disputed_keys{instance="verifier"}`: `1x100`},
		},
		{
			alert: "APIKeyStatusForged", severity: "warning", quiet: "9m", fires: "12m",
			series: map[string]string{operator + `status_records_dropped_total{instance="operator"}`: `0x9 1x90`},
		},
		{ // by an operator that has just started, before the first scrape
			alert: "APIKeyStatusForged", severity: "warning", quiet: "8m", fires: "20m",
			series: map[string]string{operator + `status_records_dropped_total{instance="next"}`: `_x9 3x90`},
		},
		{alert: "APIKeyExpiresIn30Days", severity: "info", series: expiring("720h"), quiet: "59m", fires: "1h", labels: staging},
		{alert: "APIKeyExpiresIn7Days", severity: "warning", series: expiring("168h"), quiet: "59m", fires: "1h", labels: staging},
		{alert: "APIKeyExpiresTomorrow", severity: "critical", series: expiring("24h"), quiet: "4m", fires: "5m", labels: staging},
		{
			alert: "APIKeyUnused", severity: "info", quiet: "23h", fires: "24h", labels: staging,
			series: map[string]string{operator + `apikeys_unused{instance="operator",environment="Staging",period="2160h"}`: `4x2000`},
		},
		{alert: "APIKeyVerifierAbsent", severity: "critical", without: []string{verifier + `index_keys{instance="verifier"}`}, quiet: "1m", fires: "2m"},
		{
			alert: "APIKeyVerifierMissesChanges", severity: "warning", quiet: "10m", fires: "11m", labels: `instance="verifier",resource="apikeys"`,
			series: map[string]string{verifier + `index_watch_up{instance="verifier",resource="apikeys"}`: `1x9 0x90`},
		},
		{ // scrapes fail a minute after the API server has gone, because the token of Prometheus cannot be reviewed
			alert: "APIKeyVerifierMissesChanges", severity: "warning", quiet: "10m", fires: "12m", labels: `instance="verifier",resource="apikeys"`,
			series: map[string]string{verifier + `index_watch_up{instance="verifier",resource="apikeys"}`: `1x9 0 0 stale`},
		},
		{
			alert: "APIKeyVerifierStale", severity: "critical", quiet: "9m", fires: "12m",
			series: map[string]string{verifier + `decisions_total{instance="verifier",code="503",reason="stale"}`: `0x9 60+60x90`},
		},
		{
			alert: "APIKeyVerifierStale", severity: "critical", quiet: "9m", fires: "12m",
			series: map[string]string{verifier + `decided_while_stale_total{instance="verifier"}`: `0x9 60+60x90`},
		},
		{
			alert: "APIKeyRateLimitStoreDegraded", severity: "warning", quiet: "12m", fires: "16m", labels: `instance="verifier"`,
			series: map[string]string{verifier + `rate_limit_fallback_total{instance="verifier"}`: `0x9 60+60x90`},
		},
		{ // found by the only request in an hour
			alert: "APIKeyRateLimitStoreDegraded", severity: "warning", quiet: "14m", fires: "55m", labels: `instance="verifier"`,
			series: map[string]string{
				verifier + `rate_limit_fallback_total{instance="verifier"}`: `0x9 1x90`, verifier + `rate_limit_store_up{instance="verifier"}`: `0x99`,
			},
		},
		{
			alert: "APIKeyRefusalsUnusual", severity: "warning", quiet: "1439m", fires: "1460m", // from 0.1 to 10 a second after a day
			series: map[string]string{verifier + `decisions_total{instance="verifier",code="401",reason="unknown"}`: `0+6x1439 9240+600x100`},
		},
		{
			alert: "APIKeyGatewayMisconfigured", severity: "critical", quiet: "9m", fires: "17m",
			series: map[string]string{verifier + `decisions_total{instance="verifier",code="500",reason="misconfigured"}`: `0x9 60+60x90`},
		},
		{
			alert: "APIKeyLastUseNotWritten", severity: "warning", quiet: "39m", fires: "42m",
			series: map[string]string{verifier + `last_used_writes_total{instance="verifier",result="failed"}`: `0x9 10+10x90`},
		},
	}
}

// TestAlertsFire lets promtool evaluate each case: the alert is quiet, then it fires, and no other alert fires at either time.
func TestAlertsFire(t *testing.T) {
	tested := map[string]bool{}
	for _, f := range firings() {
		tested[f.alert] = true
		t.Run(f.alert, func(t *testing.T) {
			labels := `{alertname="` + f.alert + `",alertstate="firing",severity="` + f.severity + `"`
			if f.labels != "" {
				labels += "," + f.labels
			}
			fires := []map[string]any{{"labels": "ALERTS" + labels + "}", "value": 1}}
			evaluate(t, f.series, f.without, map[string][]map[string]any{f.quiet: {}, f.fires: fires})
		})
	}
	for _, rule := range alerts(t).rules() {
		if !tested[rule.Alert] {
			t.Errorf("%s has no case", rule.Alert)
		}
	}
}

// inputOf returns the series of an installation that differs from a healthy one, as promtool reads them.
func inputOf(series map[string]string, without []string) []map[string]any {
	input := healthy()
	maps.Copy(input, series)
	for _, name := range without {
		delete(input, name)
	}
	var inputs []map[string]any
	for name, values := range input {
		inputs = append(inputs, map[string]any{"series": name, "values": values})
	}

	return inputs
}

// evaluate compares the alerts that fire at each time with the wanted ones.
func evaluate(t *testing.T, series map[string]string, without []string, want map[string][]map[string]any) {
	t.Helper()
	var expressions []map[string]any
	for at, samples := range want {
		expressions = append(expressions, map[string]any{"expr": `ALERTS{alertstate="firing"}`, "eval_time": at, "exp_samples": samples})
	}
	promtool(t, map[string]any{"rules.yaml": alerts(t), "tests.yaml": map[string]any{
		"rule_files": []string{"rules.yaml"}, "evaluation_interval": "1m",
		"tests": []map[string]any{{"interval": "1m", "input_series": inputOf(series, without), "promql_expr_test": expressions}},
	}}, "test", "rules", "tests.yaml")
}
