// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package output_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/cli/output"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

var update = flag.Bool("update", false, "write the golden files")

var now = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func TestClean(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"a plain name":                      {"Main Website, Zürich 東京", "Main Website, Zürich 東京"},
		"an emoji of several parts":         {"👩\u200d💻", "👩\u200d💻"},
		"an escape sequence":                {"a\x1b[2Jb", `a\u001b[2Jb`},
		"a carriage return":                 {"a\rb", `a\u000db`},
		"a line break":                      {"a\nb\tc", `a\u000ab\u0009c`},
		"the C1 form of an escape sequence": {"a\u009b2J", `a\u009b2J`},
		"a change of direction":             {"a\u202eb", `a\u202eb`},
		"invalid UTF-8":                     {"a\xff\xfeb", `a\xff\xfeb`},
		"the replacement character":         {"a\ufffdb", `a\ufffdb`},
		"delete":                            {"a\x7f", `a\u007f`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := output.Clean(test.text); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	if got := output.CleanLines("a\n\tb\x1b"); got != "a\n\tb\\u001b" {
		t.Errorf("CleanLines: %q", got)
	}
}

// FuzzClean finds no text of which something is left that a terminal acts on.
func FuzzClean(f *testing.F) {
	f.Add("a\x1b[31m\x00\u202e\xff")
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range output.Clean(text) {
			if r != '\u200c' && r != '\u200d' && !unicode.IsPrint(r) {
				t.Errorf("%q leaves %q", text, r)
			}
		}
	})
}

// hostile are keys as a list may meet them.
func hostile() []operations.View {
	at := func(d time.Duration) *time.Time { t := now.Add(d); return &t }

	return []operations.View{
		{
			Namespace: "storefront", Name: "main-website", DisplayName: "Main Website Integration", Environment: v1alpha1.EnvironmentProduction,
			Status: v1alpha1.PhaseActive, Permissions: []v1alpha1.Permission{"customers:read", "telemetry:write"}, Roles: []v1alpha1.RoleName{"synchronizer"},
			Limit: &v1alpha1.RateLimit{Requests: 100, Per: "1m", Burst: 20}, Expires: at(365 * 24 * time.Hour), LastUsed: at(-5 * time.Minute),
			Created: now.Add(-50 * time.Hour), Secret: "main-website", Owner: "jane@example.com", Message: "Secret main-website holds the key.",
		},
		{
			Namespace: "storefront", Name: "evil", DisplayName: "\x1b[2J\u202eevil", Environment: v1alpha1.EnvironmentStaging,
			Status: v1alpha1.PhaseSuspended, Created: now.Add(-time.Second), Message: "line\nbreak\ttab",
		},
		{
			Namespace: "other", Name: "gone", Environment: v1alpha1.EnvironmentDevelopment, Status: v1alpha1.PhaseExpired,
			Expires: at(-time.Hour), Created: now.Add(-400 * 24 * time.Hour),
		},
		{Namespace: "other", Name: "new", Environment: v1alpha1.EnvironmentDevelopment, Status: v1alpha1.PhasePending, Created: now},
		{
			Namespace: "other", Name: "partner", Environment: v1alpha1.EnvironmentDevelopment, Status: v1alpha1.PhaseActive, Created: now,
			Delivery: operations.Delivery{Once: true, Deadline: at(time.Hour)},
		},
		{
			Namespace: "other", Name: "taken", Environment: v1alpha1.EnvironmentDevelopment, Status: v1alpha1.PhaseActive, Created: now,
			Delivery: operations.Delivery{Once: true, ClaimedAt: at(-time.Hour)},
		},
		{
			Namespace: "other", Name: "late", Environment: v1alpha1.EnvironmentDevelopment, Status: v1alpha1.PhaseRevoked, Created: now,
			Delivery: operations.Delivery{Once: true, Deadline: at(-time.Hour), Missed: true},
		},
	}
}

func TestKeyTable(t *testing.T) {
	for name, test := range map[string]struct{ colour, namespaces, wide bool }{
		"table": {}, "table-namespaces": {namespaces: true}, "table-wide": {wide: true}, "table-colour": {colour: true},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			table := output.NewKeyTable(&out, test.colour, test.namespaces, test.wide)
			for _, view := range hostile() {
				if err := table.Row(&view, now); err != nil {
					t.Fatal(err)
				}
			}
			if err := table.Flush(); err != nil {
				t.Fatal(err)
			}
			if !test.colour && strings.Contains(out.String(), "\x1b") {
				t.Error("an escape character reaches the terminal")
			}
			golden(t, name+".golden", out.String())
		})
	}
}

// TestColumnsUnderColour: without the colours, a coloured table is the plain one.
func TestColumnsUnderColour(t *testing.T) {
	plain, err := os.ReadFile(filepath.Join("testdata", "table.golden"))
	if err != nil {
		t.Fatal(err)
	}
	coloured, err := os.ReadFile(filepath.Join("testdata", "table-colour.golden"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(coloured)
	for _, code := range []string{"\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[36m", "\x1b[39m", "\x1b[0m"} {
		text = strings.ReplaceAll(text, code, "")
	}
	if diff := cmp.Diff(string(plain), text); diff != "" {
		t.Errorf("colours move the columns (-plain +coloured):\n%s", diff)
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	testkit.Golden(t, file, got, *update)
}
