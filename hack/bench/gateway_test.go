// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/server/forwardauth"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

func TestSamplesSayWhatIsChanged(t *testing.T) {
	for name, sample := range testkit.GatewaySamples() {
		t.Run(name, func(t *testing.T) {
			g, folder := gatewaySample{sample, name}, t.TempDir()
			to := upstreams{verifier: "127.0.0.1:1", path: headersPath, api: "127.0.0.1:2"}
			if err := g.Write(folder, g.edits(folder, "3", "127.0.0.1:4", to)); err != nil {
				t.Fatal(err)
			}
			var all strings.Builder
			for _, file := range g.Files {
				text, err := os.ReadFile(filepath.Join(folder, file))
				if err != nil {
					t.Fatal(err)
				}
				all.Write(text)
			}
			if strings.Contains(all.String(), forwardauth.Path+"?") || !strings.Contains(all.String(), headersPath+"?") {
				t.Error("the gateway asks for another URL")
			}
		})
	}
	err := testkit.GatewaySamples()["nginx"].Write(t.TempDir(), map[string]string{"no such line": ""})
	if err == nil || !strings.Contains(err.Error(), "no such line") {
		t.Errorf("an edit that edits nothing: %v", err)
	}
}
