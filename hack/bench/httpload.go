// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/server"
	"github.com/apikey-operator/apikey-operator/internal/server/forwardauth"
)

// What the request is for that a gateway asks about.
const (
	clientHost = "api.example.com"
	clientPath = "/v1/orders?status=open&limit=50"
)

// measureHTTP compares the verifier with the baseline over HTTP: as it is, and when it sends headers too.
func (b *verifyBench) measureHTTP(ctx context.Context, verifier, baseline *program) error {
	for _, c := range []struct {
		over, path string
		report     func(over string, verifier, baseline *contender)
	}{
		{"HTTP", forwardauth.Path, b.reportLoad},
		{"HTTP with headers", headersPath, b.reportHeaders},
	} {
		if err := b.competeOverHTTP(ctx, c.over, verifier, baseline, c.path, c.report); err != nil {
			return err
		}
	}
	b.explainLoad()

	return nil
}

// competeOverHTTP compares the verifier with one of the answers of the baseline.
func (b *verifyBench) competeOverHTTP(
	ctx context.Context, over string, verifier, baseline *program, path string, report func(over string, verifier, baseline *contender),
) error {
	v, err := b.overHTTP(verifier, forwardauth.Path)
	if err != nil {
		return err
	}
	defer v.close()
	other, err := b.overHTTP(baseline, path)
	if err != nil {
		return err
	}
	defer other.close()
	if err := b.compete(ctx, over, v, other); err != nil {
		return err
	}
	report(over, v, other)

	return nil
}

// overHTTP connects to a server as gateways do that speak HTTP/1.1: each request has a connection to itself, which is kept.
func (b *verifyBench) overHTTP(p *program, path string) (*contender, error) {
	return b.overURL(p, verifyURL(p.addresses[httpAddress], path))
}

// verifyURL is what a gateway asks for.
func verifyURL(address, path string) string {
	needs := url.Values{}
	needs.Set(server.NeedEnvironment, string(v1alpha1.EnvironmentProduction))
	needs.Set(server.NeedPermission, string(neededPermission))

	return "http://" + address + path + "?" + needs.Encode()
}

// overURL makes a contender that asks for a URL, and whose processor time is that of a program.
func (b *verifyBench) overURL(p *program, target string) (*contender, error) {
	client := &http.Client{Transport: &http.Transport{
		MaxConnsPerHost: b.options.concurrency, MaxIdleConnsPerHost: b.options.concurrency, DisableCompression: true,
	}}
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
