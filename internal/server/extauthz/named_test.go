// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package extauthz_test

import (
	"slices"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/apikey-operator/apikey-operator/internal/server"
	"github.com/apikey-operator/apikey-operator/internal/server/extauthz"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// The header that the endpoint names never reaches the API, and the others do.
func TestNamedHeaderIsRemoved(t *testing.T) {
	key := testkit.ForeignKey()
	s := extauthz.New(testkit.NewVerifier(t, key, "api-key"))
	all := []string{"authorization", "x-api-key", "api-key"}
	for name, c := range map[string]struct {
		credential string
		headers    map[string]string
		lost       []string
	}{
		"any header":                   {"", map[string]string{":path": "/", "api-key": key}, []string{"api-key"}},
		"any header, and an empty one": {"", map[string]string{":path": "/", "api-key": key, "authorization": ""}, []string{"api-key", "authorization"}},
		"a named one": {"api-key",
			map[string]string{":path": "/", "api-key": key, "authorization": "Basic dTpw", "x-api-key": "theirs"}, []string{"api-key"}},
		"X-API-Key by name": {"x-api-key", map[string]string{":path": "/", "x-api-key": key, "authorization": "Bearer theirs"}, []string{"x-api-key"}},
		"Authorization by name": {"authorization",
			map[string]string{":path": "/", "authorization": "Bearer " + key, "x-api-key": "theirs"}, []string{"authorization"}},
		"any of a list of headers": {"", map[string]string{"api-key": key}, append(all, server.LookAlikes("api-key")...)},
		"a named one of a list": {"api-key",
			map[string]string{"api-key": key, "authorization": "Basic dTpw"}, append([]string{"api-key"}, server.LookAlikes("api-key")...)},
		"a named one that has no dashes": {"authorization",
			map[string]string{"authorization": "bearer " + key, "api-key": "theirs"}, []string{"authorization"}},
	} {
		t.Run(name, func(t *testing.T) {
			needs := map[string]string{"environment": "Production", "identity": "id"}
			if c.credential != "" {
				needs["credential"] = c.credential
			}
			answer, err := ask(t.Context(), s, &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
				ContextExtensions: needs,
				Request:           &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{Headers: c.headers}},
			}})
			if err != nil || answer.GetOkResponse() == nil {
				t.Fatalf("refused: %v, %v", answer, err)
			}
			removed := answer.GetOkResponse().GetHeadersToRemove()
			for _, header := range c.lost {
				if !slices.Contains(removed, header) {
					t.Errorf("%s reaches the API", header)
				}
			}
			for _, header := range all {
				if slices.Contains(removed, header) && !slices.Contains(c.lost, header) {
					t.Errorf("%s does not reach the API", header)
				}
			}
			if set := answer.GetOkResponse().GetHeaders(); len(set) != 1 || set[0].GetHeader().GetKey() != "x-apikey-id" {
				t.Errorf("set are %v, want x-apikey-id alone", set)
			}
			for _, header := range identityNames()[1:] {
				if !slices.Contains(removed, header) {
					t.Errorf("the client's %s reaches the API", header)
				}
			}
		})
	}
}
