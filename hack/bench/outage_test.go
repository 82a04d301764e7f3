// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// TestOutages has one outage of each form in a row, kills a leader and ends a leader in order. client-go alone would wait longer after each
// of the outages, up to a minute. The limits are above the aims, because other tests keep the machine busy.
func TestOutages(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	testkit.Build(t, "bin/manager", "./cmd")
	testkit.Build(t, "bin/verifier", "./cmd/verifier")
	file := filepath.Join(t.TempDir(), "report.json")
	t.Setenv(jsonVariable, file)
	var stdout, stderr bytes.Buffer
	args := []string{"outage", "--outages=6", "--shortest=5s", "--longest=8s", "--leaders=1"}
	if code := dispatch(t.Context(), nil, args, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d; it said\n%s", code, stderr.String())
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	measured := map[string]bool{}
	for _, f := range r.Figures {
		measured[strings.TrimPrefix(f.Key, "outage.")] = true
		switch {
		case f.Key == "outage.connections":
			if f.Value > 50 {
				t.Errorf("the programs make %.0f connections a second while the API server is away", f.Value)
			}
		case f.Value > 3*f.Aim.Value:
			t.Errorf("%s: %.1f %s, want at most %.0f", f.Name, f.Value, f.Unit, 3*f.Aim.Value)
		}
	}
	for _, key := range append(outageEffects(), "connections", "killed", "handover") {
		if !measured[key] {
			t.Errorf("%s was not measured:\n%s", key, stdout.String())
		}
	}
	t.Log(stdout.String())
}
