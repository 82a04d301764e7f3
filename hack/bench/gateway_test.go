// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
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

// Gateways check the certificate of the verifier, so the baseline needs the same one.
func TestTheBaselineShowsACertificate(t *testing.T) {
	folder, err := makeCertificate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(folder, "tls.crt"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	addresses, err := freePorts(t.Context(), 4)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int)
	go func() {
		done <- dispatch(ctx, nil, []string{
			baselineCommand, "--tls-cert-dir=" + folder, "--grpc-bind-address=" + addresses[0], "--http-bind-address=" + addresses[1],
			"--metrics-bind-address=" + addresses[2], "--health-probe-bind-address=" + addresses[3],
		}, &bytes.Buffer{}, &bytes.Buffer{})
	}()
	if err := (&program{name: "baseline", ready: "http://" + addresses[3]}).awaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: verifierName, MinVersion: tls.VersionTLS12}}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+addresses[1]+forwardauth.Path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("answered %d", response.StatusCode)
	}
	client.CloseIdleConnections()
	cancel()
	if code := <-done; code != exitOK {
		t.Errorf("it ended with %d", code)
	}
}
