// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package forwardauth_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/server/forwardauth"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// What an answer costs over a kept connection, beside one that looks at nothing.
func BenchmarkHandler(b *testing.B) {
	key := testkit.ForeignKey()
	for name, handler := range map[string]http.Handler{
		"decided":    forwardauth.New(testkit.NewVerifier(b, key)),
		"always yes": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }),
	} {
		b.Run(name, func(b *testing.B) {
			s := httptest.NewServer(handler)
			defer s.Close()
			request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, s.URL+"/verify?environment=Production", http.NoBody)
			if err != nil {
				b.Fatal(err)
			}
			request.Header.Set("Authorization", "Bearer "+key)
			b.ReportAllocs()
			for b.Loop() {
				response, err := http.DefaultTransport.RoundTrip(request)
				if err != nil || response.StatusCode != http.StatusOK {
					b.Fatal(response, err)
				}
				_ = response.Body.Close()
			}
		})
	}
}
