// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package extauthz_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"

	"github.com/apikey-operator/apikey-operator/internal/server"
	"github.com/apikey-operator/apikey-operator/internal/server/extauthz"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// ask asks as a client does, with a message.
func ask(ctx context.Context, s *extauthz.Server, request *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	wire, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}

	return s.Check(ctx, wire)
}

func check(t testing.TB, s *extauthz.Server, headers map[string]string, raw ...*corev3.HeaderValue) *authv3.CheckResponse {
	t.Helper()
	answer, err := ask(t.Context(), s, &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		ContextExtensions: map[string]string{"environment": "Production"},
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Headers: headers, HeaderMap: &corev3.HeaderMap{Headers: raw},
		}},
	}})
	if err != nil {
		t.Fatal(err)
	}

	return answer
}

// Envoy hands on whatever is not removed, so every header that a server could take for one of ours must be.
func TestWhatAnAllowedRequestLoses(t *testing.T) {
	key := testkit.ForeignKey()
	s := extauthz.New(testkit.NewVerifier(t, key))
	everything := []string{"authorization", "x-api-key"}
	for _, name := range append(identityNames(), "x-api-key") {
		everything = append(everything, server.LookAlikes(name)...)
	}
	for name, c := range map[string]struct {
		headers map[string]string
		want    []string
	}{
		"the key": {map[string]string{":path": "/", "x-api-key": key}, []string{"x-api-key"}},
		"the key as bearer, whose empty twin goes too": {
			map[string]string{":path": "/", "authorization": "Bearer " + key, "x-api-key": ""}, []string{"authorization", "x-api-key"},
		},
		"forged headers": {
			map[string]string{":path": "/", "x-api-key": key, "x_apikey_id": "f", "X.Apikey.Owner": "f",
				"x-apikey-admin": "f", "x-apikey-owner": "f", "x-apikey-id": "f"},
			[]string{"x-api-key", "x_apikey_id", "X.Apikey.Owner", "x-apikey-admin"},
		},
		"everything that may be there, from a gateway that shows only some headers": {map[string]string{"x-api-key": key}, everything},
	} {
		t.Run(name, func(t *testing.T) {
			ok := check(t, s, c.headers).GetOkResponse()
			if ok == nil {
				t.Fatal("refused")
			}
			var set []string
			for _, h := range ok.GetHeaders() {
				set = append(set, h.GetHeader().GetKey())
			}
			for _, name := range append(c.want, "x-apikey-owner", "x-apikey-customers", "x-apikey-permissions") {
				if !slices.Contains(ok.GetHeadersToRemove(), name) {
					t.Errorf("%s is not removed", name)
				}
			}
			for _, name := range ok.GetHeadersToRemove() {
				if slices.Contains(set, name) {
					t.Errorf("%s is set and removed", name)
				}
			}
			if want := []string{"x-apikey-id", "x-apikey-name", "x-apikey-namespace", "x-apikey-environment"}; !slices.Equal(set, want) {
				t.Errorf("set are %v, want %v", set, want)
			}
		})
	}
}

func TestRequestsWithoutAnythingAreRefused(t *testing.T) {
	s := extauthz.New(testkit.NewVerifier(t, testkit.ForeignKey()))
	for name, request := range map[string]*authv3.CheckRequest{
		"nil": nil, "empty": {}, "without a request": {Attributes: &authv3.AttributeContext{}},
		"without HTTP": {Attributes: &authv3.AttributeContext{Request: &authv3.AttributeContext_Request{}}},
	} {
		answer, err := ask(t.Context(), s, request)
		if err != nil || answer.GetStatus().GetCode() == 0 || answer.GetDeniedResponse().GetStatus().GetCode() != 500 {
			t.Errorf("%s: %v, %v", name, answer, err)
		}
	}
}

// Bytes that are no message are refused with an error, which gateways take for a refusal.
func TestBytesThatAreNoMessage(t *testing.T) {
	key := testkit.ForeignKey()
	s := extauthz.New(testkit.NewVerifier(t, key))
	whole, err := proto.Marshal(&authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		ContextExtensions: map[string]string{"environment": "Production"},
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Size: -1, Method: "GET", Headers: map[string]string{"x-api-key": key},
		}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := s.Check(t.Context(), whole); err != nil || answer.GetStatus().GetCode() != 0 {
		t.Fatalf("the whole message: %v, %v", answer, err)
	}
	for length := 1; length < len(whole); length++ {
		if answer, err := s.Check(t.Context(), whole[:length]); err == nil {
			t.Errorf("%d of %d bytes: %v", length, len(whole), answer)
		}
	}
}

// FuzzWire is about bytes of any kind: no panic, and no 200 where the generated code reads no message or sees no such key.
func FuzzWire(f *testing.F) {
	key := testkit.ForeignKey()
	s := extauthz.New(testkit.NewVerifier(f, key))
	whole, err := proto.Marshal(&authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		ContextExtensions: map[string]string{"environment": "Production"},
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Size: -1, Method: "GET", HeaderMap: &corev3.HeaderMap{Headers: []*corev3.HeaderValue{{Key: "x-api-key", RawValue: []byte(key)}}},
		}},
	}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole, 0, byte(0))
	f.Fuzz(func(t *testing.T, wire []byte, at int, by byte) {
		if len(wire) > 0 { // change the message with the key, which the fuzzer does not know
			wire[(at%len(wire)+len(wire))%len(wire)] ^= by
		}
		answer, err := s.Check(context.Background(), wire)
		if err != nil || answer.GetStatus().GetCode() != 0 {
			return
		}
		var request authv3.CheckRequest
		if err := (proto.UnmarshalOptions{}).Unmarshal(wire, &request); err != nil && !strings.Contains(err.Error(), "UTF-8") {
			t.Fatalf("allowed, and no message: %v", err)
		} else if err == nil && (request.GetAttributes().GetContextExtensions()["environment"] != "Production" ||
			!presentedOnce(request.GetAttributes().GetRequest().GetHttp(), key)) {
			t.Fatalf("allowed: %v", &request)
		}
	})
}

// Whatever a gateway sends: no panic, an answer, and no 200 without the one live key, presented once.
func FuzzCheck(f *testing.F) {
	key := testkit.ForeignKey()
	s := extauthz.New(testkit.NewVerifier(f, key))
	f.Add([]byte{}, "x-api-key", key, "Production")
	f.Add([]byte("\x0a\x00"), "authorization", "Bearer "+key, "Production")
	f.Add([]byte{}, "x_api_key", key, "Production")
	f.Add([]byte{}, "x-api-key", key+","+key, "")
	f.Fuzz(func(t *testing.T, wire []byte, name, value, environment string) {
		request := &authv3.CheckRequest{}
		_ = proto.Unmarshal(wire, request) // what was read before an error is a request, too
		if request.Attributes == nil {
			request.Attributes = &authv3.AttributeContext{}
		}
		if request.Attributes.ContextExtensions == nil {
			request.Attributes.ContextExtensions = map[string]string{}
		}
		request.Attributes.ContextExtensions["environment"] = environment
		if request.Attributes.Request.GetHttp() == nil {
			request.Attributes.Request = &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{}}
		}
		http := request.Attributes.Request.Http
		if http.Headers == nil {
			http.Headers = map[string]string{}
		}
		http.Headers[name] = value
		answer, err := ask(context.Background(), s, request)
		if _, invalid := proto.Marshal(request); invalid != nil {
			return // strings that are not UTF-8, which no sender can put on the wire
		}
		if err != nil {
			t.Fatal(err)
		}
		if answer.GetStatus().GetCode() == 0 && (environment != "Production" || !presentedOnce(http, key)) {
			t.Fatalf("allowed: %v", request)
		}
		if answer.GetOkResponse() == nil && answer.GetDeniedResponse() == nil {
			t.Fatal("no answer")
		}
	})
}

// presentedOnce says whether the key is in one header that carries credentials, and nothing else is in any.
func presentedOnce(http *authv3.AttributeContext_HttpRequest, key string) bool {
	var found []string
	see := func(name, value string) {
		plain := strings.NewReplacer("_", "-", ".", "-").Replace(strings.ToLower(name))
		if value != "" && (plain == "x-api-key" || strings.ToLower(name) == "authorization") {
			found = append(found, value)
		}
	}
	for name, value := range http.GetHeaders() {
		see(name, value)
	}
	for _, h := range http.GetHeaderMap().GetHeaders() {
		see(h.GetKey(), h.GetValue()+string(h.GetRawValue()))
	}

	return len(found) == 1 && (found[0] == key || strings.EqualFold(strings.Fields(found[0] + " x")[0], "bearer") && strings.HasSuffix(found[0], " "+key))
}

func identityNames() []string {
	names := server.IdentityNames()

	return names[:]
}
