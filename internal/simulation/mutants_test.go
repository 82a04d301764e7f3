// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A mutant is a mistake in the write protocol or in a decision that the simulation has to find. All mutants are compiled into one program with
// `go build -overlay`, so the operator's own code has no hooks: an overlay replaces old by new, in which mutant(name) reports whether the
// mutant is in force.
type mutant struct {
	name string
	// seed is that of a history that finds the mutant. Where the code has changed so that it does not, the test searches for another.
	seed uint64
	// changes are the places in the code.
	changes []change
}

type change struct{ file, old, new string }

// mutantVariable names the mutant that is in force.
const mutantVariable = "APIKEY_OPERATOR_MUTANT"

func TestHistoriesAndMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("no invariant breaks", func(t *testing.T) {
		simulate(t, build(t, root), "", firstOfTest, histories)
	})
	overlay, applied := overlayOf(t, root, mutants())
	program := build(t, root, "-overlay", overlay)
	for _, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			if !applied[m.name] {
				t.Fatal("the code that it changes has changed: adapt the mutant")
			}
			found := simulate(t, program, m.name, m.seed, 1)
			if found == "" {
				found = simulate(t, program, m.name, 0, histories)
			}
			if found == "" {
				t.Fatalf("%d histories do not find it", histories)
			}
			simulate(t, program, "", seedOf(t, found), 1) // the mutant breaks the invariant, and not the history
		})
	}
}

// firstOfTest is the first seed of `make test`. `make simulate` begins with 0.
const firstOfTest = 1_000_000_000

// build builds the simulation without the race detector, which would slow it down tenfold, and returns its path. The flags are those of make:
// others would compile all that it imports once more.
func build(t *testing.T, root string, flags ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "simulate")
	arguments := append([]string{"build", "-ldflags", "-s -w", "-o", program}, flags...)
	cmd := exec.CommandContext(t.Context(), "go", append(arguments, "./hack/simulate")...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	return program
}

var foundLine = regexp.MustCompile(`(?m)^seed \d+, shortest history \d+ steps$`)

// simulate runs histories and returns the line with the seed that breaks an invariant, or "". Without a mutant that is an error.
func simulate(t *testing.T, program, mutant string, first uint64, count int) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, "-first", fmt.Sprint(first), "-count", fmt.Sprint(count))
	cmd.Env = append(os.Environ(), mutantVariable+"="+mutant)
	out, err := cmd.CombinedOutput()
	found := foundLine.FindString(string(out))
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit), err != nil && found == "", mutant == "" && found != "":
		t.Fatalf("%v\n%s", err, out)
	case found != "":
		rule, _, _ := strings.Cut(violationLine.FindString(string(out)), "\n")
		t.Logf("%s: %s", found, rule)
	}

	return found
}

// seedOf returns the seed in a line that simulate has returned.
func seedOf(t *testing.T, found string) uint64 {
	t.Helper()
	var seed uint64
	if _, err := fmt.Sscanf(found, "seed %d", &seed); err != nil {
		t.Fatalf("%q: %v", found, err)
	}

	return seed
}

var violationLine = regexp.MustCompile(`VIOLATION: .*`)

// overlayOf writes the overlay of mutants and returns its path, and the mutants that apply to the code as it is.
func overlayOf(t *testing.T, root string, all []mutant) (string, map[string]bool) {
	t.Helper()
	folder := t.TempDir()
	sources, applied := map[string]string{}, map[string]bool{}
	for _, m := range all {
		changed := map[string]string{}
		applied[m.name] = true
		for _, c := range m.changes {
			text, ok := changed[c.file]
			if !ok {
				text, ok = sources[c.file]
			}
			if !ok {
				content, err := os.ReadFile(filepath.Join(root, c.file))
				if err != nil {
					t.Fatal(err)
				}
				text = string(content)
			}
			if strings.Count(text, c.old) != 1 {
				applied[m.name] = false
			}
			changed[c.file] = strings.Replace(text, c.old, c.new, 1)
		}
		if applied[m.name] {
			maps.Copy(sources, changed)
		} else {
			delete(applied, m.name)
		}
	}
	for _, name := range []string{"lifecycle", "controller"} {
		sources["internal/"+name+"/mutant_in_force.go"] = "package " + name + "\n\nimport \"os\"\n\n" +
			"var mutantInForce = os.Getenv(\"" + mutantVariable + "\")\n\nfunc mutant(name string) bool { return mutantInForce == name }\n"
	}
	replace := map[string]string{}
	for file, text := range sources {
		replacement := filepath.Join(folder, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(replacement, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(root, file)] = replacement
	}
	content, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "overlay.json")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}

	return path, applied
}
