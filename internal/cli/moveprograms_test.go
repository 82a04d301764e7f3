// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

// stopGrace is how long an operator may take to give its Lease back.
const stopGrace = time.Minute

// newCluster starts an empty second cluster with what config/default installs. No operator runs there.
func newCluster(t *testing.T) (*cluster, *testkit.Audit) {
	t.Helper()
	audit, err := testkit.NewAudit(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	plane := testkit.StartFor(t, testkit.Options{WithoutCRDs: true, APIServerArgs: audit.Args()})
	c := &cluster{ControlPlane: plane}
	if err := c.install(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.admin, err = plane.Client(); err != nil {
		t.Fatal(err)
	}
	if err := plane.StartControllerManager(t.Context()); err != nil {
		t.Fatal(err)
	}

	return c, audit
}

// run starts this test program as the operator or the verifier, with the rights of a service account of the installation.
func (c *cluster) run(t *testing.T, name, account string, args ...string) *process.Program {
	t.Helper()
	kubeconfig, err := c.Kubeconfig("system:serviceaccount:apikey-operator-system:"+account,
		"system:serviceaccounts", "system:serviceaccounts:apikey-operator-system")
	if err != nil {
		t.Fatal(err)
	}
	cmd := process.Command(context.Background(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"="+name, "KUBECONFIG="+kubeconfig)
	p, err := process.StartProgram(name, filepath.Join(t.TempDir(), name+".log"), cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(nil, stopGrace) })

	return p
}

// runOperator starts the operator with leader election, and waits until it is ready.
func (c *cluster) runOperator(t *testing.T) *process.Program {
	t.Helper()
	probes := testkit.FreeAddress(t)
	p := c.run(t, "manager", "apikey-operator-controller-manager", "--leader-elect", "--leader-election-namespace=apikey-operator-system",
		"--metrics-bind-address=0", "--health-probe-bind-address="+probes)
	awaitReady(t, p, probes)

	return p
}

// stopOperator ends an operator as a kubelet does.
func stopOperator(t *testing.T, p *process.Program) {
	t.Helper()
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case <-p.Ended():
	case <-ctx.Done():
		t.Fatal("the operator does not end")
	}
}

// gate is a verifier that answers over HTTP.
type gate struct{ address string }

// runVerifier starts the verifier, and waits until it is ready.
func (c *cluster) runVerifier(t *testing.T) *gate {
	t.Helper()
	probes, address := testkit.FreeAddress(t), testkit.FreeAddress(t)
	p := c.run(t, "verifier", "apikey-operator-verifier", "--http-bind-address="+address, "--grpc-bind-address=0", "--metrics-bind-address=0",
		"--health-probe-bind-address="+probes)
	awaitReady(t, p, probes)

	return &gate{address: address}
}

func awaitReady(t *testing.T, p *process.Program, probes string) {
	t.Helper()
	if err := p.AwaitReady(t.Context(), patience, func(ctx context.Context) error {
		answer, err := get(ctx, "http://"+probes+"/readyz", "")
		if err != nil || answer != "200 " {
			return fmt.Errorf("answered %q: %w", answer, err)
		}

		return nil
	}); err != nil {
		t.Fatal(p.Explain(err))
	}
}

// answer returns what a gateway is told about a key: the code and the reason.
func (g *gate) answer(ctx context.Context, key string) (string, error) {
	return get(ctx, "http://"+g.address+"/verify?environment=Production&permission=customers:read", key)
}

// expect waits until every key is answered as wanted. A verifier learns of a change within moments.
func (g *gate) expect(t *testing.T, want map[string]string, plain map[string]string) {
	t.Helper()
	for name, answer := range want {
		var got string
		if err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
			var err error
			got, err = g.answer(ctx, plain[name])

			return err == nil && got == answer, nil
		}); err != nil {
			t.Errorf("the key of %s is answered with %q, want %q", name, got, answer)
		}
	}
}

func get(ctx context.Context, url, key string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	if key != "" {
		request.Header.Set("X-Api-Key", key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}

	return fmt.Sprintf("%d %s", response.StatusCode, response.Header.Get("X-Apikey-Reason")), response.Body.Close()
}
