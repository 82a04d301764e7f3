// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"strings"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/access"
)

// row is a request with a reason, which every interface has to give.
type row struct {
	name    string
	key     string                       // the APIKey of the key; empty: the key is in headers, or nowhere
	headers func(key string) [][2]string // nil: X-API-Key with the key
	needs   [][2]string                  // nil: production
	later   time.Duration                // how much later it is
	reason  access.Reason
}

// production are the needs of most rows.
var production = [][2]string{{"environment", "Production"}, {"permission", "customers:read"}, {"customer", "acme"}}

// with adds a need.
func with(needs [][2]string, name, value string) [][2]string {
	return append(append([][2]string{}, needs...), [2]string{name, value})
}

// named is production with the header for the key.
func named(header string) [][2]string { return with(production, "credential", header) }

// sends returns headers from pairs of a name and a value. In a value {key} is the key, and {foreign} a key that was never minted.
func sends(pairs ...string) func(string) [][2]string {
	return func(key string) (headers [][2]string) {
		values := strings.NewReplacer("{key}", key, "{foreign}", foreign())
		for i := 0; i < len(pairs); i += 2 {
			headers = append(headers, [2]string{pairs[i], values.Replace(pairs[i+1])})
		}

		return headers
	}
}

// offAlphabet sends a key with a byte that no key has.
func offAlphabet(key string) [][2]string {
	return [][2]string{{"X-API-Key", key[:20] + "\xff" + key[21:]}}
}

func inCapitals(key string) [][2]string { return [][2]string{{"X-API-Key", strings.ToUpper(key)}} }

// rows returns the rows of the contract.
func rows() []row {
	return []row{
		{name: "with a key", key: "full", reason: access.Allowed},
		{name: "with a key as bearer", key: "full", headers: sends("Authorization", "Bearer {key}"), reason: access.Allowed},
		{name: "with a key as bearer, in another case", key: "full", headers: sends("AUTHORIZATION", "bEARER   {key}"), reason: access.Allowed},
		{name: "with a key that has nothing but an environment", key: "minimal", needs: production[:1], reason: access.Allowed},
		{name: "for a permission of a role", key: "roles", needs: with(production[:1], "permission", "orders:read"), reason: access.Allowed},
		{name: "with a key before it expires", key: "expiring", reason: access.Allowed},

		{name: "without a credential", headers: sends(), reason: access.Missing},
		{name: "with an empty credential", headers: sends("X-API-Key", ""), reason: access.Missing},
		{
			name: "with a key in both headers",
			key:  "full", headers: sends("Authorization", "Bearer {key}", "X-API-Key", "{key}"), reason: access.Ambiguous,
		},
		{
			name: "with a password beside the key",
			key:  "full", headers: sends("X-API-Key", "{key}", "Authorization", "Basic dTpw"), reason: access.Ambiguous,
		},
		{name: "with the header twice", key: "full", headers: sends("X-API-Key", "{key}", "X-API-Key", "{key}"), reason: access.Ambiguous},
		{name: "with two keys in one header", key: "full", headers: sends("X-API-Key", "{key},{key}"), reason: access.Ambiguous},
		{
			name: "with two bearers in one header",
			key:  "full", headers: sends("Authorization", "Bearer {key}, Bearer {key}"), reason: access.Ambiguous,
		},
		{name: "with an underscore look-alike", key: "full", headers: sends("X_API_Key", "{key}"), reason: access.Ambiguous},
		{
			name: "with a dot look-alike beside the key",
			key:  "full", headers: sends("X-API-Key", "{key}", "x.api.key", "{key}"), reason: access.Ambiguous,
		},
		{name: "with the key under no scheme", key: "full", headers: sends("Authorization", "{key}"), reason: access.Malformed},
		{name: "with another scheme", headers: sends("Authorization", "Basic dTpw"), reason: access.Malformed},
		{name: "with a scheme alone", headers: sends("Authorization", "Bearer"), reason: access.Malformed},
		{name: "with something that is no key", headers: sends("X-API-Key", "secret"), reason: access.Malformed},
		{name: "with a key and a byte more", key: "full", headers: sends("X-API-Key", "{key}x"), reason: access.Malformed},
		{name: "with a key and a byte off the alphabet", key: "full", headers: offAlphabet, reason: access.Malformed},
		{name: "with a key in capitals", key: "full", headers: inCapitals, reason: access.Malformed},
		{name: "with a key that was never minted", headers: sends("X-API-Key", "{foreign}"), reason: access.Unknown},

		{name: "with a key that two APIKeys have a record of", key: "disputed", reason: access.Disputed},
		{name: "with a revoked key", key: "revoked", reason: access.Revoked},
		{name: "with a key that is being deleted", key: "deleted", reason: access.Revoked},
		{name: "with a suspended key", key: "suspended", reason: access.Suspended},
		{name: "with an expired key", key: "expiring", later: time.Hour + time.Minute, reason: access.Expired},
		{name: "with a key of another environment", key: "staging", reason: access.WrongEnvironment},
		{
			name: "for a permission that the key does not have",
			key:  "full", needs: with(production[:1], "permission", "orders:read"), reason: access.PermissionDenied,
		},
		{name: "for a customer that the key is not for", key: "full", needs: with(production[:1], "customer", "globex"), reason: access.CustomerDenied},

		{name: "to an endpoint without requirements", key: "full", needs: [][2]string{}, reason: access.Misconfigured},
		{name: "to an endpoint without an environment", key: "full", needs: production[1:], reason: access.Misconfigured},
		{name: "to an environment that does not exist", key: "full", needs: [][2]string{{"environment", "production"}}, reason: access.Misconfigured},
		{
			name: "to an endpoint with a misspelled need",
			key:  "full", needs: with(production[:1], "permision", "customers:write"), reason: access.Misconfigured,
		},
		{name: "to an endpoint with an empty need", key: "full", needs: with(production[:1], "permission", ""), reason: access.Misconfigured},
		{name: "with the key in a header that was added", key: "full", headers: sends("Api-Key", "{key}"), reason: access.Allowed},
		{name: "with the key in another header that was added", key: "full", headers: sends("X-Goog-Api-Key", "{key}"), reason: access.Allowed},
		{name: "with the key in two of the headers", key: "full", headers: sends("Api-Key", "{key}", "X-API-Key", "{key}"), reason: access.Ambiguous},
		{
			name: "with the key in two headers that were added",
			key:  "full", headers: sends("Api-Key", "{key}", "X-Goog-Api-Key", "{key}"), reason: access.Ambiguous,
		},
		{name: "with a look-alike of a header that was added", key: "full", headers: sends("api_key", "{key}"), reason: access.Ambiguous},
		{name: "with the key in a header that is not known", key: "full", headers: sends("X-My-Key", "{key}"), reason: access.Missing},
		{name: "with the key as bearer in a header for a key only", key: "full", headers: sends("Api-Key", "Bearer {key}"), reason: access.Malformed},

		{name: "with the key in the header that the endpoint names", key: "full", needs: named("x-api-key"), reason: access.Allowed},
		{
			name: "with that header in another case",
			key:  "full", needs: named("X-API-Key"), headers: sends("x-aPI-kEY", "{key}"), reason: access.Allowed,
		},
		{
			name: "with another credential beside the header that is named",
			key:  "full", needs: named("x-api-key"), headers: sends("Authorization", "Basic dTpw", "X-API-Key", "{key}"), reason: access.Allowed,
		},
		{
			name: "with another key beside the header that is named",
			key:  "full", needs: named("api-key"), headers: sends("Authorization", "Bearer {foreign}", "X-API-Key", "{foreign}", "Api-Key", "{key}"),
			reason: access.Allowed,
		},
		{
			name: "with a look-alike of another header than the one named",
			key:  "full", needs: named("api-key"), headers: sends("X_API_Key", "{key}", "Api-Key", "{key}"), reason: access.Allowed,
		},
		{
			name: "with the bearer where that is what the endpoint names",
			key:  "full", needs: named("authorization"), headers: sends("Authorization", "Bearer {key}", "X-API-Key", "theirs"), reason: access.Allowed,
		},
		{
			name: "with no scheme where the endpoint names the bearer",
			key:  "full", needs: named("authorization"), headers: sends("Authorization", "{key}"), reason: access.Malformed,
		},
		{name: "with the key in another header than the one named", key: "full", needs: named("api-key"), reason: access.Missing},
		{
			name: "with the key as bearer where another header is named",
			key:  "full", needs: named("x-api-key"), headers: sends("Authorization", "Bearer {key}"), reason: access.Missing,
		},
		{name: "with the named header empty", needs: named("api-key"), headers: sends("Api-Key", ""), reason: access.Missing},
		{
			name: "with the named header twice",
			key:  "full", needs: named("api-key"), headers: sends("Api-Key", "{key}", "api-key", "{key}"), reason: access.Ambiguous,
		},
		{
			name: "with two keys in the named header",
			key:  "full", needs: named("api-key"), headers: sends("Api-Key", "{key}, {key}"), reason: access.Ambiguous,
		},
		{
			name: "with a look-alike of the named header",
			key:  "full", needs: named("api-key"), headers: sends("api_key", "{key}"), reason: access.Ambiguous,
		},
		{
			name: "with a look-alike beside the named header",
			key:  "full", needs: named("api-key"), headers: sends("api-key", "{key}", "API.Key", "{key}"), reason: access.Ambiguous,
		},
		{
			name: "with an empty look-alike beside the named header",
			key:  "full", needs: named("api-key"), headers: sends("Api-Key", "{key}", "api_key", ""), reason: access.Ambiguous,
		},
		{
			name: "with something else in the named header",
			key:  "full", needs: named("api-key"), headers: sends("Api-Key", "secret", "X-API-Key", "{key}"), reason: access.Malformed,
		},
		{
			name:  "with a key that was never minted in the named header",
			needs: named("api-key"), headers: sends("Api-Key", "{foreign}"), reason: access.Unknown,
		},
		{
			name: "to an endpoint that names a header that is not known",
			key:  "full", needs: named("x-my-key"), headers: sends("X-My-Key", "{key}"), reason: access.Misconfigured,
		},
		{
			name: "to an endpoint that names a look-alike",
			key:  "full", needs: named("x_api_key"), headers: sends("X_API_Key", "{key}"), reason: access.Misconfigured,
		},
		{
			name: "to an endpoint that wants the key in a cookie",
			key:  "full", needs: named("cookie"), headers: sends("Cookie", "{key}"), reason: access.Misconfigured,
		},
		{name: "to an endpoint that wants the key as host", key: "full", needs: named("host"), reason: access.Misconfigured},
		{
			name: "to an endpoint that wants the key in an identity header",
			key:  "full", needs: named("x-apikey-owner"), headers: sends("X-Apikey-Owner", "{key}"), reason: access.Misconfigured,
		},
		{
			name: "to an endpoint that wants the key in a hop-by-hop header",
			key:  "full", needs: named("proxy-authorization"), headers: sends("Proxy-Authorization", "{key}"), reason: access.Misconfigured,
		},
		{name: "to an endpoint that names a pseudo-header", key: "full", needs: named(":path"), reason: access.Misconfigured},
		{name: "to an endpoint that names two headers", key: "full", needs: named("x-api-key,api-key"), reason: access.Misconfigured},
		{
			name: "to an endpoint that names a header twice",
			key:  "full", needs: with(named("api-key"), "credential", "api-key"), reason: access.Misconfigured,
		},
		{name: "to an endpoint that names no header", key: "full", needs: named(""), reason: access.Misconfigured},

		{name: "to an endpoint that wants one identity header", key: "full", needs: with(production, "identity", "id"), reason: access.Allowed},
		{name: "to an endpoint that wants two identity headers", key: "full", needs: with(production, "identity", "owner,id"), reason: access.Allowed},
		{
			name: "to an endpoint that wants one that the key does not have",
			key:  "minimal", needs: with(production[:1], "identity", "owner"), reason: access.Allowed,
		},
		{
			name: "to an endpoint that wants all identity headers by name",
			key:  "full", needs: with(production, "identity", "id,name,namespace,environment,permissions,owner,customers"), reason: access.Allowed,
		},
		{
			name: "to an endpoint that wants an identity header twice",
			key:  "full", needs: with(production, "identity", "id,id"), reason: access.Misconfigured,
		},
		{name: "to an endpoint that wants no identity header", key: "full", needs: with(production, "identity", ""), reason: access.Misconfigured},
		{
			name: "to an endpoint that wants one that does not exist",
			key:  "full", needs: with(production, "identity", "id,uid"), reason: access.Misconfigured,
		},
		{
			name: "to an endpoint that wants one by its whole name",
			key:  "full", needs: with(production, "identity", "x-apikey-id"), reason: access.Misconfigured,
		},
		{name: "to an endpoint that wants one in capitals", key: "full", needs: with(production, "identity", "ID"), reason: access.Misconfigured},
		{name: "to an endpoint that wants one after a space", key: "full", needs: with(production, "identity", "id, owner"), reason: access.Misconfigured},
		{name: "to an endpoint that wants one and a comma", key: "full", needs: with(production, "identity", "id,"), reason: access.Misconfigured},
		{
			name: "to an endpoint that wants identity headers twice",
			key:  "full", needs: with(with(production, "identity", "id"), "identity", "owner"), reason: access.Misconfigured,
		},

		{name: "to an endpoint with a need twice", key: "full", needs: with(production, "permission", "telemetry:write"), reason: access.Misconfigured},
	}
}
