// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/server"
	"github.com/apikey-operator/apikey-operator/internal/server/forwardauth"
)

// What the request is for that a gateway asks about.
const (
	clientHost = "api.example.com"
	clientPath = "/v1/orders?status=open&limit=50"
)

// measureHTTP compares the verifier with the baseline over HTTP: as both are, with as many headers from the baseline, and with one
// identity header from the verifier.
func (b *verifyBench) measureHTTP(ctx context.Context, verifier, baseline *program) error {
	for _, c := range []struct {
		over         string
		ours, theirs string // what each server is asked for
		report       func(over string, verifier, baseline *contender)
	}{
		{"HTTP", verifyTarget(forwardauth.Path), verifyTarget(forwardauth.Path), b.reportLoad},
		{"HTTP with headers", verifyTarget(forwardauth.Path), verifyTarget(headersPath), b.reportHeaders},
		{"HTTP with identity=id", verifyTarget(forwardauth.Path, "id"), verifyTarget(forwardauth.Path), b.reportOneHeader},
	} {
		err := b.competeOverHTTP(ctx, c.over, verifier, baseline, c.ours, c.theirs, c.report)
		if err != nil {
			return err
		}
	}
	b.explainLoad()

	return nil
}

// competeOverHTTP puts two servers under load in turns. ours and theirs are what they are asked for.
func (b *verifyBench) competeOverHTTP(
	ctx context.Context, over string, first, second *program, ours, theirs string, report func(over string, first, second *contender),
) error {
	one, err := b.overHTTP(first, ours)
	if err != nil {
		return err
	}
	defer one.close()
	other, err := b.overHTTP(second, theirs)
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

// overHTTP connects to a server as gateways do that speak HTTP/1.1: each request has a connection to itself, which is kept.
func (b *verifyBench) overHTTP(p *program, target string) (*contender, error) {
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

// overURL makes a contender that asks for a URL, and whose processor time is that of a program. It connects to the Unix socket at the path
// socket, unless that is empty.
func (b *verifyBench) overURL(p *program, target, socket string) (*contender, error) {
	transport := &http.Transport{
		MaxConnsPerHost: b.options.concurrency, MaxIdleConnsPerHost: b.options.concurrency, DisableCompression: true,
	}
	if socket != "" {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
	}
	client := &http.Client{Transport: transport}
	c := &contender{program: p, close: client.CloseIdleConnections}
	for range b.options.concurrency {
		ask, err := b.newHTTPAsker(client, target)
		if err != nil {
			return nil, err
		}
		c.askers = append(c.askers, ask)
	}

	return c, nil
}

// newHTTPAsker makes an asker that sends what a gateway does: a URL, and the headers of the client.
func (b *verifyBench) newHTTPAsker(client *http.Client, target string) (asker, error) {
	request, err := http.NewRequest(http.MethodGet, target, http.NoBody) //nolint:noctx // each question gets its own
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
		credential[0] = bearer + b.keys.texts[i]
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
