// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/server"
)

// The request of the client that a gateway asks about.
const (
	clientHost = "api.example.com"
	clientPath = "/v1/orders?status=open&limit=50"
)

// sender sends a server one request with the key of this number, and returns an error unless the answer allows it.
type sender func(ctx context.Context, i int) error

// checker asks over gRPC with the key of this number, and returns the reason of a refusal; empty: the answer allows the request.
// One goroutine uses it.
type checker func(ctx context.Context, i int) (reason string, err error)

// bearer precedes a key in the Authorization header.
const bearer = "Bearer "

// clientHeaders returns the headers of an ordinary request, as clients and proxies send them, without the credential.
func clientHeaders() map[string]string {
	return map[string]string{
		"accept":            "application/json, text/plain, */*",
		"accept-encoding":   "gzip, deflate, br",
		"accept-language":   "en-GB,en;q=0.9",
		"cache-control":     "no-cache",
		"content-type":      "application/json",
		"referer":           "https://shop.example.com/orders",
		"traceparent":       "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"user-agent":        "example-integration/3.14 (+https://shop.example.com/about)",
		"x-forwarded-for":   "203.0.113.7, 10.2.3.4",
		"x-forwarded-proto": "https",
		"x-request-id":      "7f9d0b52-2c1e-4f0a-9b8a-5d2f0c6c1f11",
		"x-tenant":          "emea",
	}
}

// newCheck returns the message that Envoy sends about a request, without a credential.
func newCheck() *authv3.CheckRequest {
	headers := clientHeaders()
	maps.Copy(headers, map[string]string{
		":path": clientPath, ":method": "GET", ":authority": clientHost, ":scheme": "https",
	})

	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source:      peer("203.0.113.7", 51422),
		Destination: peer("10.2.3.9", 8443),
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Id: "1234567890123456789", Method: "GET", Headers: headers, Path: clientPath, Host: clientHost, Scheme: "https", Protocol: "HTTP/2",
		}},
		ContextExtensions: map[string]string{
			server.NeedEnvironment: string(v1alpha1.EnvironmentProduction), server.NeedPermission: string(neededPermission),
		},
	}}
}

func peer(address string, port uint32) *authv3.AttributeContext_Peer {
	return &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
		SocketAddress: &corev3.SocketAddress{Address: address, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port}},
	}}}
}

// newChecker makes a checker. Of its request only the credential changes, so that a request costs the client the same with every server.
func (b *verifyBench) newChecker(connection *grpc.ClientConn) checker {
	client, question := authv3.NewAuthorizationClient(connection), newCheck()
	headers := question.GetAttributes().GetRequest().GetHttp().GetHeaders()

	return func(ctx context.Context, i int) (string, error) {
		headers[server.HeaderAuthorization] = bearer + b.keys[i]
		answer, err := client.Check(ctx, question)
		if err != nil {
			return "", err
		}
		if answer.GetStatus().GetCode() == 0 && answer.GetOkResponse() != nil {
			return "", nil
		}

		return refusal(answer.GetDeniedResponse())
	}
}

// refusal returns the reason in a refusal.
func refusal(denied *authv3.DeniedHttpResponse) (string, error) {
	for _, header := range denied.GetHeaders() {
		if header.GetHeader().GetKey() == server.HeaderReason {
			return header.GetHeader().GetValue(), nil
		}
	}

	return "", errors.New("an answer neither allows the request nor gives a reason")
}

// mustPass makes an sender of a checker.
func mustPass(check checker) sender {
	return func(ctx context.Context, i int) error {
		reason, err := check(ctx, i)
		if err == nil && reason != "" {
			err = fmt.Errorf("key %d was refused: %s", i, reason)
		}

		return err
	}
}

// overGRPC connects to a server as Envoy does: many requests share a connection.
func (b *verifyBench) overGRPC(p *program) func() (*loadTarget, error) {
	return func() (*loadTarget, error) {
		connections, err := dial(p.addresses[grpcAddress], b.options.connections)
		if err != nil {
			return nil, err
		}
		c := &loadTarget{program: p, close: func() { closeAll(connections) }}
		for worker := range b.options.concurrency {
			c.senders = append(c.senders, mustPass(b.newChecker(connections[worker%len(connections)])))
		}

		return c, nil
	}
}

// dial opens connections without TLS to host:port or unix:/path.
func dial(address string, n int) (connections []*grpc.ClientConn, err error) {
	if !strings.HasPrefix(address, unixPrefix) { // a form that gRPC knows
		address = "passthrough:///" + address
	}
	for range n {
		c, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			closeAll(connections)

			return nil, fmt.Errorf("connect to %s: %w", address, err)
		}
		connections = append(connections, c)
	}

	return connections, nil
}

func closeAll(connections []*grpc.ClientConn) {
	for _, c := range connections {
		_ = c.Close()
	}
}

// overHTTP connects to a server as gateways with HTTP/1.1 do: each request has a connection to itself, which is kept.
func (b *verifyBench) overHTTP(p *program, target string) func() (*loadTarget, error) {
	address := p.addresses[httpAddress]
	if path, onSocket := strings.CutPrefix(address, unixPrefix); onSocket {
		return b.overURL(p, "http://localhost"+target, path)
	}

	return b.overURL(p, "http://"+address+target, "")
}

// verifyTarget returns what a gateway asks for: everything after the host in the URL. With identity, it names the identity headers
// that the gateway wants; without, the verifier sends all of them.
func verifyTarget(path string, identity ...string) string {
	needs := url.Values{}
	needs.Set(server.NeedEnvironment, string(v1alpha1.EnvironmentProduction))
	needs.Set(server.NeedPermission, string(neededPermission))
	if len(identity) > 0 {
		needs.Set(server.NeedIdentity, strings.Join(identity, ","))
	}

	return path + "?" + needs.Encode()
}

// overURL makes a loadTarget that asks for a URL, and whose processor time is that of a program. It connects to the Unix socket at the path
// socket, unless that is empty.
func (b *verifyBench) overURL(p *program, target, socket string) func() (*loadTarget, error) {
	return func() (*loadTarget, error) {
		transport := &http.Transport{
			MaxConnsPerHost: b.options.concurrency, MaxIdleConnsPerHost: b.options.concurrency, DisableCompression: true,
		}
		if socket != "" {
			transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", socket)
			}
		}
		client := &http.Client{Transport: transport}
		c := &loadTarget{program: p, close: client.CloseIdleConnections}
		for range b.options.concurrency {
			ask, err := b.newHTTPSender(client, target)
			if err != nil {
				return nil, err
			}
			c.senders = append(c.senders, ask)
		}

		return c, nil
	}
}

// newHTTPSender makes an sender that sends the request of a gateway: a URL, and the headers of the client.
func (b *verifyBench) newHTTPSender(client *http.Client, target string) (sender, error) {
	request, err := http.NewRequest(http.MethodGet, target, http.NoBody) //nolint:noctx // each request gets its own context
	if err != nil {
		return nil, err
	}
	request.Host = clientHost
	for name, value := range clientHeaders() {
		request.Header.Set(name, value)
	}
	request.Header.Set("X-Original-Method", http.MethodGet)
	request.Header.Set("X-Original-Uri", clientPath)
	credential := []string{""}
	request.Header["Authorization"] = credential

	return func(ctx context.Context, i int) error {
		credential[0] = bearer + b.keys[i]
		response, err := client.Do(request.WithContext(ctx))
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		if err == nil && response.StatusCode != http.StatusOK {
			err = fmt.Errorf("key %d was refused: %d %s", i, response.StatusCode, response.Header.Get(server.HeaderReason))
		}

		return err
	}, nil
}
