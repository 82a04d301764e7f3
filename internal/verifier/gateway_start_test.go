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
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// samples are the configurations that users copy. The tests run those very files.
const samples = "config/samples/gateways"

// What stands in the samples for things that differ from place to place.
const (
	sampleVerifier = "apikey-operator-verifier.apikey-operator-system.svc:9002"
	sampleAPI      = "api.default.svc:8080"
)

// program is a gateway that can run here.
type program struct {
	name, debian  string                         // the command, and the Debian package that has it
	files         []string                       // of the samples, the configuration first
	changes       func(folder, port string) edit // beside those that all samples have in common
	arguments     func(folder string) []string
	failures      map[string]edit       // ways to fail that only this gateway has
	shortTimeouts edit                  // makes every timeout short but the one for WebSockets
	inCluster     bool                  // it reads its configuration from a cluster, and make gateways builds it
	plane         *testkit.ControlPlane // that cluster
}

// edit says what to replace in a sample with what.
type edit map[string]string

var programs = map[string]program{
	"nginx": {
		shortTimeouts: edit{
			"ignore_invalid_headers on;": "ignore_invalid_headers on;\nkeepalive_timeout " + shortTimeout + ";\nsend_timeout " + shortTimeout + ";",
		},
		name:   "nginx",
		debian: "nginx",
		files:  []string{"nginx.conf"},
		changes: func(folder, port string) edit {
			return edit{
				"listen 8080;": "listen 127.0.0.1:" + port + ";",
				"http {\n": "http {\nclient_body_temp_path " + folder + "/body;\nproxy_temp_path " + folder + "/proxy;\nfastcgi_temp_path " + folder +
					"/fastcgi;\nuwsgi_temp_path " + folder + "/uwsgi;\nscgi_temp_path " + folder + "/scgi;\naccess_log off;\n",
				"/etc/nginx/apikey-verifier-ca.crt": folder + "/ca.crt",
			}
		},
		arguments: func(folder string) []string {
			return []string{"-p", folder, "-e", "stderr", "-c", folder + "/nginx.conf", "-g", "daemon off; user root; pid " + folder + "/nginx.pid;"}
		},
	},
	"Caddy": {
		shortTimeouts: edit{"\n\tservers {\n": "\nadmin off\nservers {\ntimeouts {\nread_body " + shortTimeout + "\nread_header " + shortTimeout +
			"\nidle " + shortTimeout + "\n}\n"},
		name: "caddy", debian: "caddy", files: []string{"Caddyfile"},
		changes: func(folder, port string) edit {
			return edit{
				"\n\tservers {\n":                   "\nadmin off\nservers {\n",
				"\n:8080 {\n":                       "\n:" + port + " {\nbind 127.0.0.1\n",
				"/etc/caddy/apikey-verifier-ca.crt": folder + "/ca.crt",
			}
		},
		arguments: func(folder string) []string {
			return []string{"run", "--adapter", "caddyfile", "--config", folder + "/Caddyfile"}
		},
	},
	"HAProxy": {
		name: "haproxy", debian: "haproxy", files: []string{"haproxy.cfg", "haproxy-forward-auth.lua"},
		changes: func(folder, port string) edit {
			return edit{
				"bind :8080":             "bind 127.0.0.1:" + port,
				"abns@apikey-verifier":   "abns@apikey-verifier-" + port, // one name on the whole machine
				"/etc/haproxy/":          folder + "/",
				"apikey-verifier-ca.crt": "ca.crt",
			}
		},
		arguments:     func(folder string) []string { return []string{"-f", folder + "/haproxy.cfg"} },
		shortTimeouts: edit{"timeout client 30s": "timeout client " + shortTimeout, "timeout server 30s": "timeout server " + shortTimeout},
		failures: map[string]edit{
			"the script fails":                  {"core.httpclient()": "core.nothing()"},
			"the script fails after the answer": {`txn:set_var("txn.apikey_verdict", "allowed")`: "error()"},
		},
	},
	"Traefik": {
		name: "traefik", files: []string{"traefik.yaml"}, inCluster: true,
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
			t.Logf("%s said\n%s", p.name, log.String())
		}
	})
	waitFor(t, g.address)
	if p.inCluster {
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
	if p.inCluster {
		return testkit.FindBuilt(t, "gateways", p.name)
	}

	return testkit.FindProgram(t, p.debian, p.name)
}

// configure writes the sample, edited, and returns what to start the program with.
func (p program) configure(t *testing.T, folder, port string, to upstreams, changes edit) (arguments, environment []string) {
	t.Helper()
	if p.inCluster {
		return p.configureTraefik(t, folder, port, to, changes)
	}
	all := edit{sampleVerifier: to.verifier, sampleAPI: to.api}
	for _, more := range []edit{p.changes(folder, port), changes} {
		maps.Copy(all, more)
	}
	writeSample(t, p, folder, all)

	return p.arguments(folder), nil
}

// writeSample writes the files of a sample, edited, into a folder. What is to be replaced has to be there.
func writeSample(t *testing.T, p program, folder string, changes edit) {
	t.Helper()
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}
	missing := make(edit, len(changes))
	pairs := make([]string, 0, 2*len(changes))
	for old, replacement := range changes {
		missing[old] = ""
		pairs = append(pairs, old, replacement)
	}
	replacer := strings.NewReplacer(pairs...)
	for _, file := range p.files {
		text, err := os.ReadFile(filepath.Join(root, samples, file))
		if err != nil {
			t.Fatal(err)
		}
		for old := range missing {
			if bytes.Contains(text, []byte(old)) {
				delete(missing, old)
			}
		}
		//nolint:gosec // G703: a folder of the test, and names from its own table
		if err := os.WriteFile(filepath.Join(folder, file), []byte(replacer.Replace(string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for old := range missing {
		t.Fatalf("%s does not say %q any more", strings.Join(p.files, " and "), old)
	}
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
