// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main_test

import "testing"

// variant is what the tests change in the sample of a gateway, and what that gateway cannot do.
type variant struct {
	bodies   edit              // lets the API take bodies of 50 MB
	cramped  edit              // makes the buffers too small for the largest identity
	named    edit              // leaves Authorization to the API; the route has to name the header with the key
	stricter edit              // protects /admin and /customers/admin, too: they need customers:admin
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
		bare:  true,
		named: edit{"^(authorization|": "^("},
		cannot: map[string]string{
			"tells clients their limit":   "Traefik hands nothing of a 200 of the verifier on to the client",
			"reads paths as the API does": "Traefik compares decoded paths, and its sample refuses by rules of its own",
			"says why it cannot tell":     "Traefik's own answers have no reason, and the first about a verifier that hangs takes up to 20 s",
		},
	},
}

// variant is that of a gateway. A test that the gateway cannot pass is skipped, with the reason.
func (p program) variant(t *testing.T, test string) variant {
	t.Helper()
	v, ok := variants[p.name]
	if !ok {
		t.Fatalf("%s has no variant", p.name)
	}
	if reason, ok := v.cannot[test]; ok {
		t.Skip(reason)
	}

	return v
}
