// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/apikey-operator/apikey-operator/internal/server/forwardauth"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// gatewaySample is a gateway and its name.
type gatewaySample struct {
	testkit.GatewaySample

	name string
}

// upstreams are the addresses of the server that a gateway asks and of the API, and the path for the server.
type upstreams struct{ verifier, path, api string }

// edits returns the texts to replace in a sample: each gateway has one worker. Traefik asks itself at the address loop.
func (g gatewaySample) edits(folder, port, loop string, to upstreams) map[string]string {
	edits := map[string]string{}
	if g.InCluster {
		_, apiPort, _ := net.SplitHostPort(to.api)
		edits["127.0.0.1:9003"], edits["port: 8080"] = loop, "port: "+apiPort
	} else {
		edits = g.Edits(folder, port, to.verifier, to.api)
	}
	if g.name == "HAProxy" {
		edits["    lua-load "] = "    nbthread 1\n    lua-load "
	}
	edits["customers:read"], edits[forwardauth.Path+"?"] = string(neededPermission), to.path+"?"

	return edits
}

// withGateway runs a gateway from its sample for as long as do takes.
func (b *gatewayBench) withGateway(ctx context.Context, g gatewaySample, to upstreams, do func(context.Context, *program) error) (err error) {
	addresses, err := b.fill([]string{"", ""})
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(addresses[0])
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp(b.plane.Folder(), g.name)
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(filepath.Join(b.certificates, "tls.crt"))
	if err != nil {
		return err
	}
	//nolint:gosec // G703: a folder of this program
	if err := os.WriteFile(filepath.Join(folder, "ca.crt"), ca, 0o600); err != nil {
		return err
	}
	if err := g.Write(folder, g.edits(folder, port, addresses[1], to)); err != nil {
		return err
	}
	args, environment := []string{"--entryPoints.web.address=" + addresses[0]}, []string{"HOME=" + folder, "GOMAXPROCS=1"}
	if !g.InCluster {
		args = g.Arguments(folder)
	} else {
		var deployed *testkit.Traefik
		if deployed, err = b.deploy(ctx, g, testkit.TraefikSample{
			Manifest: filepath.Join(folder, g.Files[0]), Namespace: "on-" + port + "-", Verifier: to.verifier, API: to.api, CA: ca,
		}); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, deployed.Remove(context.WithoutCancel(ctx))) }()
		args, environment = append(args, deployed.Arguments...), append(environment, deployed.Environment...)
	}
	how := invocation{
		name: g.name + "-" + port, path: g.Program, target: "gateways", environment: environment, args: func([]string) []string { return args },
	}
	asks := func(ctx context.Context) error { return answersRequests(ctx, "http://"+addresses[0]+"/customers") }

	return b.runProgram(ctx, &program{addresses: addresses}, how, asks, do)
}

// answersRequests returns nil if a gateway passes on an answer: a request without a key is refused, and the baseline lets it through.
func answersRequests(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized && response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, response.Status)
	}

	return nil
}

// deploy creates the objects of Traefik's sample, and before the first ones what Traefik itself needs.
func (b *gatewayBench) deploy(ctx context.Context, g gatewaySample, s testkit.TraefikSample) (*testkit.Traefik, error) {
	if !b.traefikInstalled {
		if err := b.plane.InstallTraefik(ctx, filepath.Dir(g.Program)); err != nil {
			return nil, err
		}
		b.traefikInstalled = true
	}

	return b.plane.DeployTraefik(ctx, s)
}
