// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// GatewaySample is a sample of config/samples/gateways, and how the gateway runs here from it.
type GatewaySample struct {
	// Program is the command, and Debian the package that has it.
	Program, Debian string
	// Files are those of the sample, the configuration first.
	Files []string
	// InCluster reports whether the gateway reads its sample from an API server; `make gateways` builds such a gateway.
	InCluster bool

	edits     func(folder, port string) map[string]string
	arguments func(folder string) []string
}

// GatewaySamples returns the samples of gateways that can run here, by the name of the gateway.
func GatewaySamples() map[string]GatewaySample {
	return map[string]GatewaySample{
		"nginx": {
			Program: "nginx", Debian: "nginx", Files: []string{"nginx.conf"},
			edits: func(folder, port string) map[string]string {
				return map[string]string{
					"listen 8080;": "listen 127.0.0.1:" + port + ";",
					"http {\n": "http {\naccess_log off;\nclient_body_temp_path " + folder + "/body;\nproxy_temp_path " + folder +
						"/proxy;\nfastcgi_temp_path " + folder + "/fastcgi;\nuwsgi_temp_path " + folder + "/uwsgi;\nscgi_temp_path " + folder + "/scgi;\n",
					"/etc/nginx/apikey-verifier-ca.crt": folder + "/ca.crt",
				}
			},
			arguments: func(folder string) []string {
				directives := "daemon off; user root; pid " + folder + "/nginx.pid;"

				return []string{"-p", folder, "-e", "stderr", "-c", folder + "/nginx.conf", "-g", directives}
			},
		},
		"Caddy": {
			Program: "caddy", Debian: "caddy", Files: []string{"Caddyfile"},
			edits: func(folder, port string) map[string]string {
				return map[string]string{
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
			Program: "haproxy", Debian: "haproxy", Files: []string{"haproxy.cfg", "haproxy-forward-auth.lua"},
			edits: func(folder, port string) map[string]string {
				return map[string]string{
					"bind :8080":             "bind 127.0.0.1:" + port,
					"abns@apikey-verifier":   "abns@apikey-verifier-" + port, // one name on the whole machine
					"/etc/haproxy/":          folder + "/",
					"apikey-verifier-ca.crt": "ca.crt",
				}
			},
			arguments: func(folder string) []string { return []string{"-f", folder + "/haproxy.cfg"} },
		},
		"Traefik": {Program: "traefik", Files: []string{"traefik.yaml"}, InCluster: true},
	}
}

// Edits returns the texts to replace in the sample of a gateway that does not run in a cluster: the verifier and the API at these addresses,
// the port for clients, and files in the folder, where the authority of the verifier is ca.crt.
func (g GatewaySample) Edits(folder, port, verifier, api string) map[string]string {
	edits := map[string]string{"apikey-operator-verifier.apikey-operator-system.svc:9002": verifier, "api.default.svc:8080": api}
	maps.Copy(edits, g.edits(folder, port))

	return edits
}

// Arguments returns those of the program of a gateway that does not run in a cluster, whose files are in the folder.
func (g GatewaySample) Arguments(folder string) []string { return g.arguments(folder) }

// Write writes the files of the sample into a folder, with edits. An edit whose text is missing in the sample is an error.
func (g GatewaySample) Write(folder string, edits map[string]string) error {
	root, err := Root()
	if err != nil {
		return err
	}
	pairs, missing := make([]string, 0, 2*len(edits)), maps.Clone(edits)
	for old, replacement := range edits {
		pairs = append(pairs, old, replacement)
	}
	for _, file := range g.Files {
		text, err := os.ReadFile(filepath.Join(root, "config", "samples", "gateways", file))
		if err != nil {
			return err
		}
		maps.DeleteFunc(missing, func(old, _ string) bool { return strings.Contains(string(text), old) })
		changed := strings.NewReplacer(pairs...).Replace(string(text))
		//nolint:gosec // G703: a folder of the caller, and names from the table above
		if err := os.WriteFile(filepath.Join(folder, file), []byte(changed), 0o600); err != nil {
			return err
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%v do not say %q any more", g.Files, slices.Sorted(maps.Keys(missing)))
	}

	return nil
}
