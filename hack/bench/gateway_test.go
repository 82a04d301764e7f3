// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/server/forwardauth"
)

func TestSamplesSayWhatIsChanged(t *testing.T) {
	for _, g := range gateways("") {
		t.Run(g.name, func(t *testing.T) {
			folder := t.TempDir()
			to := upstreams{verifier: "127.0.0.1:1", path: headersPath, api: "127.0.0.1:2"}
			if err := writeSample(g, folder, g.edits(folder, "3", "127.0.0.1:4", to)); err != nil {
				t.Fatal(err)
			}
			var all strings.Builder
			for _, file := range g.files {
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
	none := gatewaySample{files: []string{"nginx.conf"}, changes: func(string, string) map[string]string { return map[string]string{"no such line": ""} }}
	if err := writeSample(none, t.TempDir(), none.edits("", "", "", upstreams{})); err == nil || !strings.Contains(err.Error(), "no such line") {
		t.Errorf("a change that changes nothing: %v", err)
	}
}
