// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier_test

import (
	"bytes"
	"context"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// samples are the configurations that users copy. The tests run those very files.
const samples = "config/samples/gateways"

// program is a gateway that can run here.
type program struct {
	testkit.GatewaySample

	failures      map[string]edit       // ways to fail that only this gateway has
	shortTimeouts edit                  // makes every timeout short but the one for WebSockets
	plane         *testkit.ControlPlane // the cluster of a gateway that reads its configuration from one
}

// edit says what to replace in a sample with what.
type edit map[string]string

var programs = map[string]program{
	"nginx": {
		GatewaySample: testkit.GatewaySamples()["nginx"],
		shortTimeouts: edit{
			"ignore_invalid_headers on;": "ignore_invalid_headers on;\nkeepalive_timeout " + shortTimeout + ";\nsend_timeout " + shortTimeout + ";",
		},
	},
	"Caddy": {
		GatewaySample: testkit.GatewaySamples()["Caddy"],
		shortTimeouts: edit{"\n\tservers {\n": "\nadmin off\nservers {\ntimeouts {\nread_body " + shortTimeout + "\nread_header " + shortTimeout +
			"\nidle " + shortTimeout + "\n}\n"},
	},
	"HAProxy": {
		GatewaySample: testkit.GatewaySamples()["HAProxy"],
		shortTimeouts: edit{"timeout client 30s": "timeout client " + shortTimeout, "timeout server 30s": "timeout server " + shortTimeout},
		failures: map[string]edit{
			"the script fails":                  {"core.httpclient()": "core.nothing()"},
			"the script fails after the answer": {`txn:set_var("txn.apikey_verdict", "allowed")`: "error()"},
		},
	},
	"Traefik": {
		GatewaySample: testkit.GatewaySamples()["Traefik"],
		shortTimeouts: edit{
			"#   --entryPoints.web.http": "#   --entryPoints.web.transport.respondingTimeouts.readTimeout=" + shortTimeout +
				"\n#   --entryPoints.web.transport.respondingTimeouts.idleTimeout=" + shortTimeout + "\n#   --entryPoints.web.http",
		},
	},
}

// gateway is one that runs, with an API of its own behind it.
type gateway struct {
	address string
	api     *api
}

// startGateway runs a gateway from its sample until the test ends. It trusts the authority ca for the verifier.
func startGateway(t *testing.T, p program, verifier string, ca []byte, changes edit) *gateway {
	t.Helper()
	path := p.find(t)
	g := &gateway{address: testkit.FreeAddress(t), api: startAPI(t)}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "ca.crt"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(g.address)
	if err != nil {
		t.Fatal(err)
	}
	arguments, environment := p.configure(t, folder, port, upstreams{verifier: verifier, ca: ca, api: g.api.address}, changes)

	var log bytes.Buffer
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path, arguments...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // as an init system would
	cmd.WaitDelay = patience
	cmd.Env = append(append(os.Environ(), "HOME="+folder), environment...)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		stop()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait() // it was told to end; how it did so is no news
		if t.Failed() {
			t.Logf("%s said\n%s", p.Program, log.String())
		}
	})
	waitFor(t, g.address)
	if p.InCluster {
		waitForRoutes(t, g.address)
	}

	return g
}

// upstreams are what a gateway sends requests to.
type upstreams struct {
	verifier, api string
	ca            []byte // what the gateway trusts for the verifier
}

// find is the path of the program. Where there is none, the test is skipped.
func (p program) find(t *testing.T) string {
	t.Helper()
	if p.InCluster {
		return testkit.FindBuilt(t, "gateways", p.Program)
	}

	return testkit.FindProgram(t, p.Debian, p.Program)
}

// configure writes the sample, edited, and returns what to start the program with.
func (p program) configure(t *testing.T, folder, port string, to upstreams, changes edit) (arguments, environment []string) {
	t.Helper()
	if p.InCluster {
		return p.configureTraefik(t, folder, port, to, changes)
	}
	all := p.Edits(folder, port, to.verifier, to.api)
	maps.Copy(all, changes)
	if err := p.Write(folder, all); err != nil {
		t.Fatal(err)
	}

	return p.Arguments(folder), nil
}

// waitFor waits until something listens.
func waitFor(t *testing.T, address string) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return false, nil //nolint:nilerr // not yet
		}

		return true, conn.Close()
	})
	if err != nil {
		t.Fatalf("nothing listens on %s: %v", address, err)
	}
}
