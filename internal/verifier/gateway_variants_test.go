// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier_test

import "testing"

// variant is what the tests change in the sample of a gateway, and what that gateway cannot do.
type variant struct {
	bodies   edit              // lets the API take bodies of 50 MB
	cramped  edit              // makes the buffers too small for the largest identity
	named    edit              // leaves Authorization to the API; the route has to name the header with the key
	stricter edit              // protects /admin and /customers/admin, too: they need customers:admin
	decodes  bool              // it decodes what needs no encoding before it compares paths, and hands on the result
	bare     bool              // answers of its own, without the verifier, have neither a body nor a reason
	cannot   map[string]string // reasons, by the names of tests
}

const adminNeeds = "environment=Production&permission=customers:admin"

// variants are keyed by the name of the program. Every gateway has one.
var variants = map[string]variant{
	"nginx": {
		bodies:  edit{"proxy_pass http://api;\n": "client_max_body_size 50m;\nproxy_pass http://api;\n"},
		named:   edit{"        proxy_set_header Authorization        \"\";\n": ""},
		cramped: edit{"proxy_buffer_size 16k;": "", "proxy_buffers 8 16k;": ""},
		cannot: map[string]string{
			"something else answers with another protocol": "nginx takes that for HTTP/0.9 and 200; only the holder of the verifier's key can answer so",
		},
		stricter: edit{
			"        location ~ ^/customers(/|$) {\n": "location ~ ^(/customers)?/admin(/|$) {\nset $apikey_requirements \"" + adminNeeds +
				"\";\nproxy_pass http://api;\n}\n        location ~ ^/customers(/|$) {\n",
		},
	},
	"caddy": {
		named: edit{"\t\t\trequest_header -Authorization\n": ""},
		stricter: edit{
			"\t@customers vars_regexp": "@admin vars_regexp {http.request.uri} ^(/customers)?/admin(/|\\?|$)\nhandle @admin {\nroute {\nimport apikey_clean\n" +
				"import apikey_verify " + adminNeeds + "\nimport api\n}\n}\n\t@customers vars_regexp",
		},
	},
	"haproxy": {
		cramped: edit{"tune.bufsize 32768": "tune.bufsize 16384", "tune.maxrewrite 8192": "tune.maxrewrite 1024"},
		stricter: edit{
			"unless { path -m reg ^/customers(/|$) }": "unless { path -m reg ^(/customers|/admin)(/|$) }",
			" if { path -m reg ^/customers(/|$) }\n": " if { path -m reg ^/customers(/|$) }\n    http-request set-var(txn.apikey_requirements) str(\"" +
				adminNeeds + "\") if { path -m reg ^(/customers)?/admin(/|$) }\n",
		},
	},
	"traefik": {
		bare: true, decodes: true,
		named: edit{"^(authorization|": "^("},
		stricter: edit{
			"    - kind: Rule # WebSockets\n":          traefikAdminRoute + "    - kind: Rule # WebSockets\n",
			"# Behind another protocol than WebSocket": traefikAdmin + "# Behind",
		},
		cannot: map[string]string{
			"tells clients their limit":                    "Traefik hands nothing of a 200 of the verifier on to the client",
			"something else answers with another protocol": "Traefik answers 500, which it cannot tell from 500 of the verifier",
		},
	},
}

// traefikAdmin and traefikAdminRoute protect what needs customers:admin.
const (
	traefikAdmin = `apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata:
  name: apikey-admin
  namespace: default
spec:
  forwardAuth:
    address: https://127.0.0.1:9003/verify?` + adminNeeds + `
    tls:
      insecureSkipVerify: true
    authRequestHeaders: [X-Api-Key]
    authResponseHeadersRegex: (?i)^(authorization|x[^a-z0-9]api[^a-z0-9]key|x[^a-z0-9]apikey[^a-z0-9].*)$
---
`
	traefikAdminRoute = "    - kind: Rule\n" +
		"      match: PathRegexp(`^(/customers)?/admin(/|$)`)\n" +
		"      priority: 40\n" +
		"      middlewares: [{name: apikey-admin}]\n" +
		"      services: [{name: api, port: http}]\n"
)

// variant is that of a gateway. A test that the gateway cannot pass is skipped, with the reason.
func (p program) variant(t *testing.T, test string) variant {
	t.Helper()
	v, ok := variants[p.Program]
	if !ok {
		t.Fatalf("%s has no variant", p.Program)
	}
	if reason, ok := v.cannot[test]; ok {
		t.Skip(reason)
	}

	return v
}
