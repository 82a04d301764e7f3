// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"net"
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
					"listen 8080;":                      "listen 127.0.0.1:" + port + ";",
					"/etc/nginx/apikey-verifier-ca.crt": folder + "/tls.crt",
					"http {\n": "http {\naccess_log off;\nclient_body_temp_path " + folder + "/1;\nproxy_temp_path " + folder +
						"/2;\nfastcgi_temp_path " + folder + "/3;\nuwsgi_temp_path " + folder + "/4;\nscgi_temp_path " + folder + "/5;\n",
				}
			},
			args: func(folder, _ string) []string {
				return []string{
					"-p",
					folder,
					"-e",
					"stderr",
					"-c",
					folder + "/nginx.conf",
					"-g",
					"daemon off; worker_processes 1; pid " + folder + "/nginx.pid;",
				}
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
					"bind :8080":                            "bind 127.0.0.1:" + port,
					"abns@apikey-verifier":                  "abns@apikey-bench-" + port,
					"    lua-load ":                         "    nbthread 1\n    lua-load ",
					"/etc/haproxy/apikey-verifier-ca.crt":   folder + "/tls.crt",
					"/etc/haproxy/haproxy-forward-auth.lua": folder + "/haproxy-forward-auth.lua",
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

// writeSample writes the files of a sample into a folder, with edits. An edit whose text is missing in the sample is an error.
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
