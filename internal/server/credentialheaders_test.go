// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/server"
)

func TestHeadersThatMayCarryKeys(t *testing.T) {
	for _, names := range [][]string{
		nil, {"api-key"}, {"API-Key", "x-goog-api-key"}, {"authorization", "X-API-Key"}, {"api-key", "api-key"}, {"token"}, {"x-1-2-3-4"},
	} {
		known, err := server.NewCredentialHeaders(names...)
		if err != nil {
			t.Errorf("%q: %v", names, err)

			continue
		}
		for _, name := range append(names, "authorization", "x-api-key") {
			if header, ok := known.Find(name); !ok || known.Names()[header] != strings.ToLower(name) {
				t.Errorf("%q: %s is not known", names, name)
			}
		}
		if all := known.Names(); len(slices.Compact(slices.Sorted(slices.Values(all)))) != len(all) || all[0] != "authorization" || all[1] != "x-api-key" {
			t.Errorf("%q are %q", names, all)
		}
	}
}

func TestHeadersThatMayNotCarryKeys(t *testing.T) {
	for _, name := range []string{
		"", " ", "api key", "api_key", "x.api.key", "api-key:", ":path", "api-key,token", "-api-key", "api-key-", "api--key", "1-key", "schlüssel",
		"api-key\r\nx-apikey-owner", strings.Repeat("x", 65), "a-b-c-d-e-f", "x_api_key",
		"x-apikey-owner", "X-Apikey-Id", "x-apikey-reason", "x-apikey-anything",
		"host", "cookie", "set-cookie", "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
		"proxy-authorization", "proxy-authenticate", "content-length", "content-type", "expect", "forwarded", "via", "range", "if-match",
		"x-forwarded-for", "x-forwarded-uri", "x-original-uri", "x-envoy-original-path", "accept", "accept-encoding", "origin", "sec-websocket-protocol",
		"access-control-request-headers", "user-agent", "referer", "x-request-id", "grpc-timeout",
	} {
		if known, err := server.NewCredentialHeaders(name); err == nil || !strings.Contains(err.Error(), "header") {
			t.Errorf("%q is accepted: %v, %v", name, known, err)
		}
	}
	if _, err := server.NewCredentialHeaders("a", "b", "c", "d", "e", "f", "g"); err == nil {
		t.Error("nine headers are accepted")
	}
}
