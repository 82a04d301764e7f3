// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/server"
)

// bearer is what stands before a key in the Authorization header.
const bearer = "Bearer "

// clientHeaders are what clients and proxies send with an ordinary request, beside the credential.
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

// newCheck is the question that Envoy asks about a request, without a credential.
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

// checker asks over gRPC with the key of a number, and returns the reason for which the request is refused; empty: it is allowed.
// It is for one goroutine.
type checker func(ctx context.Context, i int) (reason string, err error)

// newChecker makes a checker. Of its question only the credential changes, so that asking costs the same whoever answers.
func (b *verifyBench) newChecker(connection *grpc.ClientConn) checker {
	client, question := authv3.NewAuthorizationClient(connection), newCheck()
	headers := question.GetAttributes().GetRequest().GetHttp().GetHeaders()

	return func(ctx context.Context, i int) (string, error) {
		headers[server.HeaderAuthorization] = bearer + b.keys.texts[i]
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

// refusal is the reason in an answer that refuses.
func refusal(denied *authv3.DeniedHttpResponse) (string, error) {
	for _, header := range denied.GetHeaders() {
		if header.GetHeader().GetKey() == server.HeaderReason {
			return header.GetHeader().GetValue(), nil
		}
	}

	return "", errors.New("an answer neither allows nor gives a reason")
}

// mustPass makes an asker of a checker.
func mustPass(check checker) asker {
	return func(ctx context.Context, i int) error {
		reason, err := check(ctx, i)
		if err == nil && reason != "" {
			err = fmt.Errorf("key %d was refused: %s", i, reason)
		}

		return err
	}
}

// measureGRPC compares the verifier with the baseline over gRPC, and returns how many requests a second it answers.
func (b *verifyBench) measureGRPC(ctx context.Context, verifier, baseline *program) (rate float64, err error) {
	err = b.competeOverGRPC(ctx, "gRPC", verifier, baseline, func(over string, v, other *contender) {
		b.reportLoad(over, v, other)
		rate = median(v.each(volley.rate))
	})

	return rate, err
}

// competeOverGRPC puts two servers under load in turns.
func (b *verifyBench) competeOverGRPC(
	ctx context.Context, over string, first, second *program, report func(over string, first, second *contender),
) error {
	one, err := b.overGRPC(first)
	if err != nil {
		return err
	}
	defer one.close()
	other, err := b.overGRPC(second)
	if err != nil {
		return err
	}
	defer other.close()
	if err := b.compete(ctx, over, one, other); err != nil {
		return err
	}
	report(over, one, other)

	return nil
}

// overGRPC connects to a server as Envoy does: many requests share a connection.
func (b *verifyBench) overGRPC(p *program) (*contender, error) {
	connections, err := dial(p.addresses[grpcAddress], b.options.connections)
	if err != nil {
		return nil, err
	}
	c := &contender{program: p, close: func() { hangUp(connections) }}
	for worker := range b.options.concurrency {
		check := b.newChecker(connections[worker%len(connections)])
		c.askers = append(c.askers, mustPass(check))
	}

	return c, nil
}

// dial opens connections without TLS to host:port or unix:/path.
func dial(address string, n int) ([]*grpc.ClientConn, error) {
	target := "passthrough:///" + address
	if strings.HasPrefix(address, unixPrefix) {
		target = address // gRPC knows this form
	}
	var connections []*grpc.ClientConn
	for range n {
		c, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			hangUp(connections)

			return nil, fmt.Errorf("connect to %s: %w", address, err)
		}
		connections = append(connections, c)
	}

	return connections, nil
}

func hangUp(connections []*grpc.ClientConn) {
	for _, c := range connections {
		_ = c.Close()
	}
}
