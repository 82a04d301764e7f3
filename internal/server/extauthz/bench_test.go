// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package extauthz_test

import (
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"

	"github.com/apikey-operator/apikey-operator/internal/server/extauthz"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// asEnvoySends is a request with the headers of a browser.
func asEnvoySends(b *testing.B, key string) []byte {
	b.Helper()
	wire, err := proto.Marshal(&authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		ContextExtensions: map[string]string{"environment": "Production"},
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Id: "1", Method: "GET", Path: "/customers?page=1", Host: "api.example.com", Scheme: "https", Protocol: "HTTP/2",
			Headers: map[string]string{
				":authority": "api.example.com", ":method": "GET", ":path": "/customers?page=1", ":scheme": "https",
				"accept": "application/json", "accept-encoding": "gzip, deflate, br", "accept-language": "en-GB,en;q=0.9",
				"authorization": "Bearer " + key, "cache-control": "no-cache", "cookie": "theme=dark; session=none",
				"referer": "https://www.example.com/", "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
				"x-forwarded-for": "192.0.2.7", "x-forwarded-proto": "https", "x-request-id": "5a2ff1c5-6b52-4f5c-9a4f-1f5a8c1b7e00",
			},
		}},
	}})
	if err != nil {
		b.Fatal(err)
	}

	return wire
}

// What Check costs between the bytes of a request and those of its answer, beside an answer that looks at nothing.
func BenchmarkCheck(b *testing.B) {
	key := testkit.ForeignKey()
	s := extauthz.New(testkit.NewVerifier(b, key))
	wire := asEnvoySends(b, key)
	yes := &authv3.CheckResponse{HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{}}}
	for name, answer := range map[string]func() (*authv3.CheckResponse, error){
		"decided": func() (*authv3.CheckResponse, error) { return s.Check(b.Context(), wire) },
		"always yes": func() (*authv3.CheckResponse, error) {
			var request authv3.CheckRequest

			return yes, proto.Unmarshal(wire, &request)
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				response, err := answer()
				if err != nil || response.GetStatus().GetCode() != 0 {
					b.Fatal(response, err)
				}
				if _, err := proto.Marshal(response); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
