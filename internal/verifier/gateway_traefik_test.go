// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier_test

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// traefikLoop is where the sample makes Traefik ask itself.
const traefikLoop = "127.0.0.1:9003"

// prepare makes a cluster ready for a gateway that reads its configuration there.
func (s *site) prepare(t *testing.T, p program) program {
	t.Helper()
	if !p.InCluster {
		return p
	}
	p.plane = s.plane
	if err := s.plane.InstallTraefik(t.Context(), filepath.Dir(p.find(t))); err != nil {
		t.Fatal(err)
	}

	return p
}

// configureTraefik creates the objects of the sample in the cluster until the test ends, and returns what to start Traefik with.
func (p program) configureTraefik(t *testing.T, folder, port string, to upstreams, changes edit) (arguments, environment []string) {
	t.Helper()
	_, apiPort, err := net.SplitHostPort(to.api)
	if err != nil {
		t.Fatal(err)
	}
	all := edit{traefikLoop: testkit.FreeAddress(t), "port: 8080": "port: " + apiPort}
	addresses := strings.NewReplacer(traefikLoop, all[traefikLoop]) // also in what is added
	for old, replacement := range changes {
		all[old] = addresses.Replace(replacement)
	}
	if err := p.Write(folder, all); err != nil {
		t.Fatal(err)
	}
	sample := testkit.TraefikSample{
		Manifest: filepath.Join(folder, p.Files[0]), Namespace: "on-" + port + "-", Verifier: to.verifier, API: to.api, CA: to.ca,
	}
	deployed, err := p.plane.DeployTraefik(t.Context(), sample)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := deployed.Remove(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})

	return append(deployed.Arguments, "--entryPoints.web.address=127.0.0.1:"+port), deployed.Environment
}

// waitForRoutes waits until Traefik has the routes of the sample: it listens before that, and knows no path.
func waitForRoutes(t *testing.T, address string) {
	t.Helper()
	//nolint:contextcheck // exchange ends with the context of the test
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, patience, true, func(context.Context) (bool, error) {
		return exchange(t, address, get()).status != http.StatusNotFound, nil
	})
	if err != nil {
		t.Fatalf("Traefik has no route for /customers: %v", err)
	}
}
