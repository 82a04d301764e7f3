// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package observability

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

// limit is how long a program may take to be ready, and Prometheus to have its data: seconds, and more on a busy machine.
const limit = 2 * time.Minute

// site is an installation with the real programs, and a Prometheus that scrapes them.
type site struct {
	plane      *testkit.ControlPlane
	admin      client.Client
	folder     string
	verifier   string // its address for gateways
	prometheus promv1.API
}

// newSite installs config/default, starts the operator, the verifier with a shared store, and Prometheus.
func newSite(t *testing.T) *site {
	t.Helper()
	program := testkit.FindProgram(t, "prometheus", "prometheus")
	store := testkit.FindProgram(t, "redis-server", "valkey-server", "redis-server")
	plane := testkit.StartFor(t, testkit.Options{WithoutCRDs: true})
	admin, err := plane.Client()
	if err != nil {
		t.Fatal(err)
	}
	s := &site{plane: plane, admin: admin, folder: t.TempDir(), verifier: testkit.FreeAddress(t)}
	plane.InstallFor(t, "config/default", "")
	socket := filepath.Join(s.folder, "store.sock")
	s.start(t, "store", "", exec.CommandContext(context.Background(), store, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no"))
	operator := s.component(t, "operator", "./cmd", "apikey-operator-controller-manager")
	verifier := s.component(t, "verifier", "./cmd/verifier", "apikey-operator-verifier",
		"--http-bind-address="+s.verifier, "--grpc-bind-address=0", "--rate-limit-store=unix://"+socket, "--drain-delay=0s")
	s.scrape(t, program, operator, verifier)

	return s
}

// component builds a program, starts it as a service account, and returns the address of its metrics.
func (s *site) component(t *testing.T, name, folder, account string, arguments ...string) (metrics string) {
	t.Helper()
	const namespace = "apikey-operator-system"
	program := filepath.Join(s.folder, name)
	testkit.Build(t, program, folder)
	kubeconfig, err := s.plane.Kubeconfig("system:serviceaccount:"+namespace+":"+account, "system:serviceaccounts", "system:serviceaccounts:"+namespace)
	if err != nil {
		t.Fatal(err)
	}
	probes, metrics := testkit.FreeAddress(t), testkit.FreeAddress(t)
	arguments = append(arguments, "--kubeconfig="+kubeconfig, "--health-probe-bind-address="+probes,
		"--metrics-bind-address="+metrics, "--metrics-secure=false")
	s.start(t, name, "http://"+probes+"/readyz", exec.CommandContext(context.Background(), program, arguments...))

	return metrics
}

// start starts a program until the test ends. If it has a URL, start waits until the URL answers 200.
func (s *site) start(t *testing.T, name, ready string, command *exec.Cmd) {
	t.Helper()
	p, err := process.StartProgram(name, filepath.Join(s.folder, name+".log"), command)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(process.AtOnce(), 0) })
	if ready == "" {
		return
	}
	browser := &http.Client{Timeout: time.Second}
	if err := p.AwaitReady(t.Context(), limit, func(ctx context.Context) error { return testkit.Get(ctx, browser, ready) }); err != nil {
		t.Fatal(p.Explain(err))
	}
}

// scrape starts Prometheus. Its jobs have the names that the ServiceMonitor gives them.
func (s *site) scrape(t *testing.T, program, operator, verifier string) {
	t.Helper()
	address := testkit.FreeAddress(t)
	config := fmt.Sprintf("global: {scrape_interval: 1s}\nscrape_configs:\n"+
		"  - {job_name: apikey-operator-controller-manager-metrics, static_configs: [{targets: [%q]}]}\n"+
		"  - {job_name: apikey-operator-verifier-metrics, static_configs: [{targets: [%q]}]}\n", operator, verifier)
	file := filepath.Join(s.folder, "prometheus.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start(t, "prometheus", "http://"+address+"/-/ready", exec.CommandContext(context.Background(), program, "--config.file="+file,
		"--storage.tsdb.path="+filepath.Join(s.folder, "tsdb"), "--web.listen-address="+address, "--log.level=warn"))
	browser, err := api.NewClient(api.Config{Address: "http://" + address})
	if err != nil {
		t.Fatal(err)
	}
	s.prometheus = promv1.NewAPI(browser)
}

// use creates an APIKey and makes a request with its key, and one with none.
func (s *site) use(t *testing.T) {
	t.Helper()
	apikey := &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "main-website"},
		Spec:       v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentProduction, RateLimit: &v1alpha1.RateLimit{Requests: 100, Per: "1m"}},
	}
	if err := s.admin.Create(t.Context(), apikey); err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{}
	s.await(t, "the Secret", func(ctx context.Context) error {
		return s.admin.Get(ctx, client.ObjectKeyFromObject(apikey), secret)
	})
	s.await(t, "an answer to a request with the key", func(ctx context.Context) error {
		return s.ask(ctx, http.StatusOK, string(secret.Data["api-key"]))
	})
	s.await(t, "an answer to a request without a key", func(ctx context.Context) error {
		return s.ask(ctx, http.StatusUnauthorized, "")
	})
}

// ask asks the verifier as a gateway does, and returns an error if it does not answer as wanted.
func (s *site) ask(ctx context.Context, want int, key string) error {
	target := "http://" + s.verifier + "/verify?" + url.Values{"environment": {"Production"}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	if key != "" {
		request.Header.Set("X-Api-Key", key)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	if err := answer.Body.Close(); err != nil {
		return err
	}
	if answer.StatusCode != want {
		return fmt.Errorf("%s: %s", target, answer.Status)
	}

	return nil
}

// await calls check until it returns nil.
func (s *site) await(t *testing.T, what string, check func(context.Context) error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, limit, true, func(ctx context.Context) (bool, error) {
		last = check(ctx)

		return last == nil, nil
	})
	if err != nil {
		t.Fatalf("%s: %v: %v", what, err, last)
	}
}
