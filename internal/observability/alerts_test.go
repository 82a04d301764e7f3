// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package observability

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// rule is one alert of config/prometheus/alerts.yaml.
type rule struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for,omitempty"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// ruleGroups is the spec of a PrometheusRule, which is a file of rules for Prometheus.
type ruleGroups struct {
	Groups []struct {
		Name  string `json:"name"`
		Rules []rule `json:"rules"`
	} `json:"groups"`
}

func (g ruleGroups) rules() []rule {
	var rules []rule
	for _, group := range g.Groups {
		rules = append(rules, group.Rules...)
	}

	return rules
}

func alerts(t *testing.T) ruleGroups {
	t.Helper()
	var object struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Metadata   map[string]string `json:"metadata"`
		Spec       ruleGroups        `json:"spec"`
	}
	if err := yaml.UnmarshalStrict(read(t, "config/prometheus/alerts.yaml"), &object); err != nil {
		t.Fatal(err)
	}

	return object.Spec
}

// read returns a file of the repository.
func read(t *testing.T, path string) []byte {
	t.Helper()
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}

	return content
}

// promtool runs promtool in a folder that holds the given files.
func promtool(t *testing.T, files map[string]any, arguments ...string) {
	t.Helper()
	program := testkit.FindProgram(t, "prometheus", "promtool")
	folder := t.TempDir()
	for name, content := range files {
		text, err := yaml.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), program, arguments...)
	command.Dir = folder
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(arguments, " "), err, out)
	}
}

func TestAlertsAreValid(t *testing.T) {
	promtool(t, map[string]any{"rules.yaml": alerts(t)}, "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml")
}

// TestRunbooks looks the section up that each alert links to.
func TestRunbooks(t *testing.T) {
	const document = "config/prometheus/README.md"
	text := string(read(t, document))
	for _, rule := range alerts(t).rules() {
		if !strings.HasSuffix(rule.Annotations["runbook_url"], document+"#"+strings.ToLower(rule.Alert)) {
			t.Errorf("%s links to %s", rule.Alert, rule.Annotations["runbook_url"])
		}
		if !strings.Contains(text, "\n### "+rule.Alert+"\n") {
			t.Errorf("%s has no section %s", document, rule.Alert)
		}
		if rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
			t.Errorf("%s lacks a severity, a summary or a description", rule.Alert)
		}
	}
	if sections := strings.Count(text, "\n### "); sections != len(alerts(t).rules()) {
		t.Errorf("%s has %d sections for %d alerts", document, sections, len(alerts(t).rules()))
	}
}
