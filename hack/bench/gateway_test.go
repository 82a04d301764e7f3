// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
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

// The run itself fails where a gateway refuses a key. A verifier that does not ask the store would count none of the requests there.
func TestGatewaysWithAStore(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane and gateways")
	}
	testkit.FindProgram(t, "nginx", "nginx")
	testkit.FindProgram(t, "redis-server", "valkey-server", "redis-server")
	testkit.Build(t, "bin/verifier", "./cmd/verifier")
	path := filepath.Join(t.TempDir(), "figures.json")
	t.Setenv(jsonVariable, path)
	t.Setenv(asBench, "1") // the baseline is this program
	var stdout, stderr bytes.Buffer
	args := []string{"gateway", "--store", "--only=nginx", "--keys=20", "--seconds=1", "--rounds=1"}
	if code := dispatch(t.Context(), nil, args, &stdout, &stderr); code != exitOK {
		t.Fatalf("it ended with %d:\n%s\n%s", code, stderr.String(), stdout.String())
	}
	figures := map[string]figure{}
	for _, f := range readReport(t, path).Figures {
		figures[f.Key] = f
	}
	if shared := figures["gateway.store_share"].Value; shared < 0.5 {
		t.Errorf("the store counted %v of the requests, want nearly all; most is enough on a busy machine", shared)
	}
	for _, key := range []string{"rate_ratio", "rate", "baseline_rate", "p99_ratio", "p99", "baseline_p99"} {
		f := figures["gateway.nginx."+key]
		if f.Value <= 0 || key == "rate_ratio" && !strings.HasPrefix(f.Name, "nginx, TLS, 20 keys, store of limits") {
			t.Errorf("%s is %v (%s)", key, f.Value, f.Name)
		}
	}
}
