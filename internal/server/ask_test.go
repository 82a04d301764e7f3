// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"google.golang.org/grpc/codes"

	"github.com/apikey-operator/apikey-operator/internal/server"
)

// question is one request of a client to an endpoint, in terms that both interfaces can be asked in.
type question struct {
	// headers are those of the client, in order; a name can come more than once.
	headers [][2]string
	// needs are what the gateway says about the endpoint, in order.
	needs [][2]string
}

// reply is what a gateway learns, whichever interface it asked.
type reply struct {
	Code int
	// Headers are those that matter, in lower case: of an allowed request what it gains, of a refused one what the client is told.
	Headers map[string]string
	Body    string
}

// way is an interface of the verifier and how to ask over it.
type way struct {
	name string
	ask  func(*fixture, SpecContext, question) reply
}

// interfaces returns the ways to ask.
func interfaces() []way {
	return []way{
		{"ext_authz", (*fixture).askGRPC}, {"ext_authz with raw headers", (*fixture).askGRPCRaw},
		{"forward-auth", (*fixture).askHTTP}, {"forward-auth with a prefix", (*fixture).askHTTPPrefix},
	}
}

// askGRPC asks as Envoy does: headers of one name are joined by commas, and bytes that are not UTF-8 become '!'.
func (f *fixture) askGRPC(ctx SpecContext, q question) reply {
	GinkgoHelper()
	headers := map[string]string{":path": "/customers?page=1", ":method": "GET"}
	for _, h := range q.headers {
		name, value := strings.ToLower(h[0]), strings.ToValidUTF8(h[1], "!")
		if there, twice := headers[name]; twice {
			headers[name] = there + "," + value
		} else {
			headers[name] = value
		}
	}

	return f.check(ctx, q, &authv3.AttributeContext_HttpRequest{Method: "GET", Host: "api.example.com", Path: "/customers?page=1", Headers: headers})
}

// askGRPCRaw asks as Envoy does with encode_raw_headers.
func (f *fixture) askGRPCRaw(ctx SpecContext, q question) reply {
	GinkgoHelper()
	list := []*corev3.HeaderValue{{Key: ":path", RawValue: []byte("/customers")}}
	for _, h := range q.headers {
		list = append(list, &corev3.HeaderValue{Key: strings.ToLower(h[0]), RawValue: []byte(h[1])})
	}

	return f.check(ctx, q, &authv3.AttributeContext_HttpRequest{
		Method: "GET", Host: "api.example.com", Path: "/customers", HeaderMap: &corev3.HeaderMap{Headers: list},
	})
}

func (f *fixture) check(ctx SpecContext, q question, request *authv3.AttributeContext_HttpRequest) reply {
	GinkgoHelper()
	needs := map[string]string{}
	for _, n := range q.needs {
		if _, twice := needs[n[0]]; twice {
			needs["twice"] = "a map cannot say it, so it says something else that is wrong"
		}
		needs[n[0]] = n[1]
	}
	answer, err := f.grpc.Check(ctx, &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Request: &authv3.AttributeContext_Request{Http: request}, ContextExtensions: needs,
	}})
	Expect(err).NotTo(HaveOccurred())
	if answer.GetStatus().GetCode() != int32(codes.OK) {
		denied := answer.GetDeniedResponse()

		return reply{Code: int(denied.GetStatus().GetCode()), Headers: replaced(denied.GetHeaders()), Body: denied.GetBody()}
	}
	Expect(answer.GetOkResponse()).NotTo(BeNil())
	headers := replaced(answer.GetOkResponse().GetHeaders())
	for _, name := range answer.GetOkResponse().GetHeadersToRemove() {
		Expect(headers).NotTo(HaveKey(name), "Envoy removes after it sets")
		if slices.Contains(identityNames(), name) {
			headers[name] = ""
		}
	}
	maps.Copy(headers, replaced(answer.GetOkResponse().GetResponseHeadersToAdd()))

	return reply{Code: http.StatusOK, Headers: headers}
}

// replaced are headers that must take the place of those that are there.
func replaced(options []*corev3.HeaderValueOption) map[string]string {
	GinkgoHelper()
	headers := map[string]string{}
	for _, o := range options {
		Expect(o.GetAppendAction()).To(Equal(corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD), o.GetHeader().GetKey())
		Expect(headers).NotTo(HaveKey(o.GetHeader().GetKey()))
		headers[o.GetHeader().GetKey()] = o.GetHeader().GetValue()
	}

	return headers
}

// askHTTP asks as nginx, Caddy, Traefik and HAProxy do.
func (f *fixture) askHTTP(ctx SpecContext, q question) reply {
	GinkgoHelper()

	return f.get(ctx, "/verify?"+query(q.needs), q.headers)
}

// askHTTPPrefix asks as Envoy does over HTTP: the client's path and query come after the configured part. This client tries
// to say itself what the endpoint needs.
func (f *fixture) askHTTPPrefix(ctx SpecContext, q question) reply {
	GinkgoHelper()

	return f.get(ctx, "/verify/"+query(q.needs)+"/customers?environment=Staging&permission=nothing&mode=nginx", q.headers)
}

func query(needs [][2]string) string {
	var pairs []string
	for _, n := range needs {
		pairs = append(pairs, n[0]+"="+url.QueryEscape(n[1]))
	}

	return strings.Join(pairs, "&")
}

// get sends headers as they are, which net/http's client does not.
func (f *fixture) get(ctx SpecContext, target string, headers [][2]string) reply {
	GinkgoHelper()
	connection, err := new(net.Dialer).DialContext(ctx, "tcp", f.http)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = connection.Close() }()
	var request strings.Builder
	fmt.Fprintf(&request, "GET %s HTTP/1.1\r\nHost: verifier\r\nConnection: close\r\n", target)
	request.WriteString("X-Forwarded-Method: GET\r\nX-Forwarded-Host: api.example.com\r\nX-Forwarded-Uri: /customers?page=1\r\n")
	for _, h := range headers {
		fmt.Fprintf(&request, "%s: %s\r\n", h[0], h[1])
	}
	_, err = io.WriteString(connection, request.String()+"\r\n")
	Expect(err).NotTo(HaveOccurred())
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	Expect(err).NotTo(HaveOccurred())
	told := map[string]string{}
	for name, values := range response.Header {
		Expect(values).To(HaveLen(1), name)
		told[strings.ToLower(name)] = values[0]
	}
	for _, name := range []string{"date", "connection", "content-length"} { // of the connection, not of the answer
		delete(told, name)
	}
	if response.StatusCode == http.StatusOK { // of the answer to the gateway, not to the client
		delete(told, "cache-control")
		delete(told, "x-envoy-auth-headers-to-remove")
	}

	return reply{Code: response.StatusCode, Headers: told, Body: string(body)}
}

func identityNames() []string {
	names := server.IdentityNames()

	return names[:]
}
