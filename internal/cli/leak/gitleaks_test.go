// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package leak_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// scanned is a text and the keys that a secret scanner has to find in it.
type scanned struct {
	text string
	want []string
	// lookalike tells that the text has the shape of a key and not the checksum, which no pattern can calculate.
	lookalike bool
}

// scannedTexts returns texts by a description: keys where they are found in practice, and what looks like a key.
func scannedTexts(t *testing.T) map[string]scanned {
	t.Helper()
	key, other := newKey(t, "ak", v1alpha1.EnvironmentProduction), newKey(t, "ak", v1alpha1.EnvironmentStaging)
	found := func(text string, keys ...string) scanned { return scanned{text: text, want: keys} }
	mistyped := key[:len(key)-1] + map[bool]string{true: "a", false: "b"}[key[len(key)-1] != 'a']
	texts := map[string]scanned{
		"alone":                    found(key, key),
		"JSON":                     found(`{"apiKey":"`+key+`","next":1}`, key),
		"JSON behind an escape":    found(`{"log":"first line\n`+key+`\nlast"}`, key),
		"YAML":                     found("env:\n  - name: KEY\n    value: "+key+"\n", key),
		"double quotes":            found(`export KEY="`+key+`"`, key),
		"single quotes":            found(`KEY='`+key+`';`, key),
		"backquotes":               found("const key = `"+key+"`\n", key),
		"a URL":                    found("https://api.example.com/v1?key="+key+"&page=2", key),
		"the user of a URL":        found("https://"+key+":x@api.example.com/", key),
		"a header":                 found("GET / HTTP/1.1\r\nX-API-Key: "+key+"\r\nHost: a\r\n\r\n", key),
		"a bearer token":           found("curl -H 'Authorization: Bearer "+key+"' https://a.example", key),
		"Markdown":                 found("| key | `"+key+"` |\n", key),
		"XML":                      found("<key>"+key+"</key>", key),
		"two on a line":            found(key+","+other, key, other),
		"two on lines":             found(key+"\n"+other+"\n", key, other),
		"after an underscore":      found("MY_"+key, key),
		"no text":                  found(""),
		"too short":                found(key[:len(key)-1] + "\n"),
		"too long":                 found(key + "a\n"),
		"upper case":               found(strings.ToUpper(key)),
		"another environment":      found(strings.Replace(key, "_prod_", "_test_", 1)),
		"a hyphen":                 found(strings.Replace(key, "_prod_", "-prod-", 1)),
		"no prefix":                found(" " + strings.TrimPrefix(key, "ak")),
		"a break within":           found(key[:30] + "\n" + key[30:]),
		"a digest":                 found("digest: " + keys.DigestOf(key).String()),
		"a name":                   found("some_prod_database_name_that_is_quite_long_but_is_no_key_at_all_as_everybody_can_see"),
		"a key of another product": found("sk_live_" + key[8:]),
		"a placeholder":            found("ak_prod_xxxxxxxx ak_prod_<key> ak_prod_${KEY}"),
		"a mistyped key":           {text: mistyped + "\n", want: []string{mistyped}, lookalike: true},
		"zeros":                    {text: "ak_dev_" + strings.Repeat("0", 49) + "\n", want: []string{"ak_dev_" + strings.Repeat("0", 49)}, lookalike: true},
	}
	for _, prefix := range []string{"a", "ak", "z9", "acme", "prod", "a123456789", "abcdefghij"} {
		for _, environment := range []v1alpha1.Environment{
			v1alpha1.EnvironmentProduction, v1alpha1.EnvironmentStaging, v1alpha1.EnvironmentDevelopment,
		} {
			key := newKey(t, prefix, environment)
			texts["prefix "+prefix+" for "+string(environment)] = found("key = "+key+";", key)
		}
	}
	for name, encoding := range map[string]*base64.Encoding{"base64": base64.StdEncoding, "base64 for URLs": base64.RawURLEncoding} {
		for i := range 3 {
			text := encoding.EncodeToString([]byte("{\"user\":\"jane\",\"key\":\"" + strings.Repeat("x", i) + " " + key + "\"}"))
			texts[fmt.Sprintf("%s, alignment %d", name, i)] = found("data: "+text+"\n", key)
		}
	}
	texts["a dumped Secret"] = found("apiVersion: v1\ndata:\n  api-key: "+base64.StdEncoding.EncodeToString([]byte(key))+"\nkind: Secret\n", key)

	return texts
}

// runGitleaks runs the real gitleaks and returns what it finds by file.
func runGitleaks(t *testing.T, config string, args ...string) map[string][]string {
	t.Helper()
	report := filepath.Join(t.TempDir(), "report.json")
	run := exec.CommandContext(t.Context(), testkit.FindTool(t, "gitleaks"), append(slices.Clone(args),
		"--config", config, "--no-banner", "--no-color", "--report-format", "json", "--report-path", report, "--exit-code", "7")...)
	out, err := run.CombinedOutput()
	if code := run.ProcessState.ExitCode(); code != 0 && code != 7 {
		t.Fatalf("gitleaks %v: %v\n%s", args, err, out)
	}
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	var findings []struct{ RuleID, Secret, File, Commit string }
	if err := json.Unmarshal(text, &findings); err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, f := range findings {
		if f.RuleID == "apikey-operator-key" {
			found[filepath.Base(f.File)] = append(found[filepath.Base(f.File)], f.Secret)
		}
	}

	return found
}

// generatedRules returns the path of a file with rules as the repository holds it.
func generatedRules(t *testing.T, name string) string {
	t.Helper()
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}

	return filepath.Join(root, "config", "secret-scanning", name)
}

// TestGitleaks runs the real gitleaks with the rules in the repository on files, alone and beside its own rules. Every text that is found
// and is no lookalike is found by leaked, and nothing else is.
func TestGitleaks(t *testing.T) {
	folder, texts := t.TempDir(), scannedTexts(t)
	for name, test := range texts {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rules, err := os.ReadFile(generatedRules(t, "gitleaks.toml"))
	if err != nil {
		t.Fatal(err)
	}
	extended := filepath.Join(t.TempDir(), "extended.toml")
	config := append([]byte("[extend]\nuseDefault = true\n"), rules...)
	if err := os.WriteFile(extended, config, 0o600); err != nil { //nolint:gosec // G703: a folder of this test
		t.Fatal(err)
	}
	for kind, config := range map[string]string{"the rules alone": generatedRules(t, "gitleaks.toml"), "with gitleaks' own rules": extended} {
		found := runGitleaks(t, config, "dir", folder)
		for name, test := range texts {
			slices.Sort(test.want)
			got := slices.Compact(slices.Sorted(slices.Values(found[name])))
			if len(got) != len(test.want) || !slices.Equal(got, test.want) {
				t.Errorf("%s: in %q gitleaks finds %d texts, want %d", kind, name, len(got), len(test.want))
			}
		}
	}
}

// TestLeakedBesideGitleaks runs the scanner of leaked on the same texts.
func TestLeakedBesideGitleaks(t *testing.T) {
	for name, test := range scannedTexts(t) {
		var want, got []string
		for _, key := range test.want {
			if !test.lookalike {
				want = append(want, keys.DigestOf(key).String())
			}
		}
		if name == "too long" { // a character behind a key does not hide it: the checksum tells
			want = append(want, keys.DigestOf(strings.TrimSuffix(test.text, "a\n")).String())
		}
		for _, f := range scan(t, strings.NewReader(test.text)) {
			got = append(got, f.Digest.String())
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestGitleaksInHistory finds a key in the history of a Git repository after it was removed.
func TestGitleaksInHistory(t *testing.T) {
	folder, key := t.TempDir(), newKey(t, "ak", v1alpha1.EnvironmentProduction)
	commit := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, "config.env"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"add", "."}, {"-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "x"}} {
			run := exec.CommandContext(t.Context(), "git", append([]string{"-C", folder}, args...)...)
			if out, err := run.CombinedOutput(); err != nil {
				t.Fatalf("git %v: %v\n%s", args, err, out)
			}
		}
	}
	if out, err := exec.CommandContext(t.Context(), "git", "init", "-q", folder).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v\n%s", err, out)
	}
	commit("KEY=" + key + "\n")
	commit("KEY=$FROM_THE_SECRET\n")
	found := runGitleaks(t, generatedRules(t, "gitleaks.toml"), "git", folder)
	if diff := cmp.Diff(map[string][]string{"config.env": {key}}, found); diff != "" {
		t.Error("gitleaks does not find the key that was removed, or finds more")
	}
	history, err := exec.CommandContext(t.Context(), "git", "-C", folder, "log", "-p", "--all").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := scan(t, bytes.NewReader(history)); len(got) != 2 { // added, and removed
		t.Errorf("leaked finds %d occurrences, want 2", len(got))
	}
}
