// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package leak_test

import (
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/leak"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// TestRules runs the patterns of the rules, with the engine that gitleaks and trufflehog use, on what is a key and what is not.
func TestRules(t *testing.T) {
	key := newKey(t, "ak", v1alpha1.EnvironmentProduction)
	rules := leak.Rules()
	// The fields of the message CustomRegex of trufflehog, which refuses others.
	var trufflehog struct {
		Detectors []struct {
			Name        string            `json:"name"`
			Description string            `json:"description"`
			Keywords    []string          `json:"keywords"`
			Regex       map[string]string `json:"regex"`
		} `json:"detectors"`
	}
	if err := yaml.UnmarshalStrict([]byte(rules["trufflehog.yaml"]), &trufflehog); err != nil || len(trufflehog.Detectors) != 1 {
		t.Fatalf("trufflehog.yaml: %v, %+v", err, trufflehog)
	}
	var github map[string]string
	if err := yaml.Unmarshal([]byte(rules["github.yaml"]), &github); err != nil || github["secret_format"] != keys.Pattern() {
		t.Fatalf("github.yaml: %v, %v", err, github)
	}
	_, gitleaks, _ := strings.Cut(rules["gitleaks.toml"], "regex = '''")
	gitleaks, _, _ = strings.Cut(gitleaks, "'''")
	for name, pattern := range map[string]string{
		"gitleaks": gitleaks, "trufflehog": trufflehog.Detectors[0].Regex["key"],
		"github": "(?:" + github["before_secret"] + ")(" + github["secret_format"] + ")(?:" + github["after_secret"] + ")",
	} {
		compiled := regexp.MustCompile(pattern)
		for text, want := range map[string]string{
			key: key, "KEY=" + key: key, `{"key":"` + key + `"}`: key, `"first\n` + key + `"`: key,
			"X-API-Key: " + key + "\r\n": key, "https://a/?k=" + key + "&b": key,
			key[:len(key)-1]: "", key + "a": "", "ak_prod_": "", "pk_live_" + key[8:]: "", strings.ToUpper(key): "",
			"some_prod_database_name_that_is_quite_long_but_is_no_key_at_all": "",
		} {
			if name == "github" && strings.HasPrefix(text, `"first`) {
				continue // its pattern cannot leave a part of a match out: the key is found with the letter of the escape
			}
			got := ""
			if found := compiled.FindStringSubmatch(text); found != nil {
				got = found[1]
			}
			if got != want {
				t.Errorf("%s: of a text of %d characters it takes %d, want %d", name, len(text), len(got), len(want))
			}
			if contains := strings.Contains(text, trufflehog.Detectors[0].Keywords[0]); want != "" && !contains {
				t.Errorf("%s: no keyword is in a text with a key", name)
			}
		}
	}
}
