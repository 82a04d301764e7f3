// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apikey-operator/apikey-operator/internal/server/forwardauth"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

const (
	samplesFolder = "config/samples/gateways"
	verifierName  = "apikey-operator-verifier.apikey-operator-system.svc" // what samples want the certificate of the verifier to be for
)

// gatewaySample is a gateway and how it is started from its sample.
type gatewaySample struct {
	name, program string
	files         []string
	// changes are what to replace in the sample with what, given the folder of the files and the port of the clients.
	changes func(folder, port string) map[string]string
	args    func(folder, port string) []string
	// needsHeaders is of a gateway whose sample takes no answer without all headers of the verifier.
	needsHeaders bool
	// inCluster is of a gateway that reads its sample from the API server.
	inCluster bool
}

func gateways(root string) []gatewaySample {
	return []gatewaySample{
		{
			name: "nginx", program: "nginx", files: []string{"nginx.conf"},
			changes: func(folder, port string) map[string]string {
				return map[string]string{
					"listen 8080;": "listen 127.0.0.1:" + port + ";", "/etc/nginx/apikey-verifier-ca.crt": folder + "/tls.crt",
					"http {\n": "http {\naccess_log off;\nclient_body_temp_path " + folder + "/1;\nproxy_temp_path " + folder + "/2;\nfastcgi_temp_path " + folder +
						"/3;\nuwsgi_temp_path " + folder + "/4;\nscgi_temp_path " + folder + "/5;\n",
				}
			},
			args: func(folder, _ string) []string {
				return []string{"-p", folder, "-e", "stderr", "-c", folder + "/nginx.conf", "-g", "daemon off; worker_processes 1; pid " + folder + "/nginx.pid;"}
			},
		},
		{
			name: "Caddy", program: "caddy", files: []string{"Caddyfile"},
			changes: func(folder, port string) map[string]string {
				return map[string]string{
					"\n\tservers {\n": "\nadmin off\nservers {\n", "\n:8080 {\n": "\n:" + port + " {\nbind 127.0.0.1\n",
					"/etc/caddy/apikey-verifier-ca.crt": folder + "/tls.crt",
				}
			},
			args: func(folder, _ string) []string {
				return []string{"run", "--adapter", "caddyfile", "--config", folder + "/Caddyfile"}
			},
		},
		{
			name: "HAProxy", program: "haproxy", files: []string{"haproxy.cfg", "haproxy-forward-auth.lua"}, needsHeaders: true,
			changes: func(folder, port string) map[string]string {
				return map[string]string{
					"bind :8080": "bind 127.0.0.1:" + port, "abns@apikey-verifier": "abns@apikey-bench-" + port, "    lua-load ": "    nbthread 1\n    lua-load ",
					"/etc/haproxy/apikey-verifier-ca.crt": folder + "/tls.crt", "/etc/haproxy/haproxy-forward-auth.lua": folder + "/haproxy-forward-auth.lua",
				}
			},
			args: func(folder, _ string) []string { return []string{"-f", folder + "/haproxy.cfg"} },
		},
		{
			name: "Traefik", program: filepath.Join(root, "bin", "gateways", "traefik"), files: []string{"traefik.yaml"}, inCluster: true,
			args: func(_, port string) []string { return []string{"--entryPoints.web.address=127.0.0.1:" + port} },
		},
	}
}

// upstreams are what a gateway asks, with which path, and where the API is.
type upstreams struct{ verifier, path, api string }

// withGateway runs a gateway from its sample for as long as do takes.
func (b *gatewayBench) withGateway(ctx context.Context, g gatewaySample, to upstreams, do func(context.Context, *program) error) (err error) {
	addresses, err := freePorts(ctx, 2)
	if err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(addresses[0])
	folder, err := os.MkdirTemp(b.plane.Folder(), g.name)
	if err != nil {
		return err
	}
	ca, err := copyFile(filepath.Join(b.certificates, "tls.crt"), folder)
	if err != nil {
		return err
	}
	if err := writeSample(g, folder, g.edits(folder, port, addresses[1], to)); err != nil {
		return err
	}
	args, environment := g.args(folder, port), []string{"HOME=" + folder, "GOMAXPROCS=1"}
	if g.inCluster {
		sample := testkit.TraefikSample{
			Manifest: filepath.Join(folder, g.files[0]), Namespace: "on-" + port + "-", Verifier: to.verifier, API: to.api, CA: ca,
		}
		deployed, err := b.deploy(ctx, g, sample)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, deployed.Remove(context.WithoutCancel(ctx))) }()
		args, environment = append(args, deployed.Arguments...), append(environment, deployed.Environment...)
	}
	p := &program{name: g.name + "-" + port, addresses: addresses, ready: "http://" + addresses[0] + "/customers"}
	if err := b.launch(p, g.program, "gateways", args, environment); err != nil {
		return err
	}

	return b.during(ctx, p, p.awaitRefusal, do)
}

// edits are what to replace in a sample with what. Traefik asks itself at the address loop.
func (g gatewaySample) edits(folder, port, loop string, to upstreams) map[string]string {
	edits := map[string]string{"customers:read": string(neededPermission), forwardauth.Path + "?": to.path + "?"}
	if g.inCluster {
		_, apiPort, _ := net.SplitHostPort(to.api)
		edits["127.0.0.1:9003"], edits["port: 8080"] = loop, "port: "+apiPort

		return edits
	}
	edits[verifierName+":9002"], edits["api.default.svc:8080"] = to.verifier, to.api
	maps.Copy(edits, g.changes(folder, port))

	return edits
}

// deploy creates the objects of Traefik's sample, and before the first ones what Traefik itself needs.
func (b *gatewayBench) deploy(ctx context.Context, g gatewaySample, s testkit.TraefikSample) (*testkit.Traefik, error) {
	if !b.traefik {
		if err := b.plane.InstallTraefik(ctx, filepath.Dir(g.program)); err != nil {
			return nil, err
		}
		b.traefik = true
	}

	return b.plane.DeployTraefik(ctx, s)
}

// awaitRefusal waits until a gateway answers as one that asks: a request without a key is refused, or let through by the baseline.
func (p *program) awaitRefusal(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("not ready after %s", startTimeout))
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.ready, http.NoBody)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusOK {
				return nil
			}
		}
		if err := pause(ctx, readyPoll); err != nil {
			return fmt.Errorf("start %s: %w", p.name, err)
		}
	}
}

// writeSample writes the files of a sample into a folder, changed. What is to be replaced has to be there.
func writeSample(g gatewaySample, folder string, edits map[string]string) error {
	root, err := testkit.Root()
	if err != nil {
		return err
	}
	pairs, missing := make([]string, 0, 2*len(edits)), maps.Clone(edits)
	for old, replacement := range edits {
		pairs = append(pairs, old, replacement)
	}
	for _, file := range g.files {
		text, err := os.ReadFile(filepath.Join(root, samplesFolder, file))
		if err != nil {
			return err
		}
		maps.DeleteFunc(missing, func(old, _ string) bool { return strings.Contains(string(text), old) })
		changed := strings.NewReplacer(pairs...).Replace(string(text))
		//nolint:gosec // G703: a folder of this program, and names from its own table
		if err := os.WriteFile(filepath.Join(folder, file), []byte(changed), 0o600); err != nil {
			return err
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%v do not say %q any more", g.files, slices.Sorted(maps.Keys(missing)))
	}

	return nil
}

// copyFile copies a file into a folder and returns what is in it.
func copyFile(path, folder string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}

	return data, os.WriteFile(filepath.Join(folder, filepath.Base(path)), data, 0o600) //nolint:gosec // G703: a folder of this program
}
