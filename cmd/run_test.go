// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

const (
	namespace = "apikey-operator-system"
	account   = "apikey-operator-controller-manager"
	patience  = 2 * time.Minute
)

// TestManager installs config/default and runs the manager as its service account, with the rights that the manifests
// give it: twice, because the Deployment has two replicas.
func TestManager(t *testing.T) {
	plane := testkit.StartFor(t, testkit.Options{WithoutCRDs: true})
	plane.InstallFor(t, "config/default", "")
	admin, err := plane.Client()
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := plane.Kubeconfig("system:serviceaccount:"+namespace+":"+account, "system:serviceaccounts", "system:serviceaccounts:"+namespace)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", kubeconfig)

	first, second := start(t), start(t)
	for _, replica := range []*replica{first, second} {
		replica.eventually(t, "http://"+replica.probes+"/healthz", "", http.StatusOK)
		replica.eventually(t, "http://"+replica.probes+"/readyz", "", http.StatusOK) // also the one that stands by
	}

	t.Run("mints with the rights of the manifests", func(t *testing.T) { mints(t, admin) })
	t.Run("serves metrics to those who may see them", func(t *testing.T) { servesMetrics(t, admin, first) })
	t.Run("hands over to the other replica when it ends", func(t *testing.T) { _ = handsOver(t, admin, first, second) })
}

// replica is one manager.
type replica struct {
	probes, metrics string
	pid             int
	stop            func()
	// mayLackRights says that the test has taken rights away.
	mayLackRights bool
}

// asManager makes this test program behave as the manager, so that several can run as they do in a cluster: each in a
// process of its own.
const asManager = "TEST_PROGRAM_IS_MANAGER"

func TestMain(m *testing.M) {
	if os.Getenv(asManager) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// start runs a manager until it is stopped, or the test ends.
func start(t *testing.T, more ...string) *replica {
	t.Helper()

	return startProgram(t, os.Args[0], more...)
}

// startProgram is start for another build of the manager.
func startProgram(t *testing.T, path string, more ...string) *replica {
	t.Helper()
	r := &replica{probes: testkit.FreeAddress(t), metrics: testkit.FreeAddress(t)}
	var log bytes.Buffer
	//nolint:gosec,noctx // it runs itself or a build of itself, and is ended by stop as a kubelet would
	cmd := exec.Command(path, append([]string{
		"--leader-elect", "--leader-election-namespace=" + namespace,
		"--metrics-bind-address=" + r.metrics, "--health-probe-bind-address=" + r.probes,
	}, more...)...)
	cmd.Env = append(os.Environ(), asManager+"=1")
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.pid = cmd.Process.Pid
	r.stop = sync.OnceFunc(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the manager ended with %v; it said\n%s", err, log.String())
		}
		if said := log.String(); strings.Contains(said, "forbidden") && !r.mayLackRights {
			t.Errorf("the manager lacks a right:\n%s", said)
		}
	})
	t.Cleanup(r.stop)

	return r
}

// eventually waits until a URL answers with a code, and returns the body.
func (r *replica) eventually(t *testing.T, url, token string, code int) string {
	t.Helper()
	browser := &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the certificate is one that the manager has signed itself
		DisableKeepAlives: true,
	}}
	var body string
	last := errors.New("no answer")
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return false, err
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := browser.Do(req)
		if err != nil {
			last = err

			return false, nil
		}
		defer func() { _ = resp.Body.Close() }()
		content, err := io.ReadAll(resp.Body)
		body, last = string(content), fmt.Errorf("%s", resp.Status)

		return resp.StatusCode == code, err
	})
	if err != nil {
		t.Fatalf("%s did not answer %d: %v", url, code, last)
	}

	return body
}

func mints(t *testing.T, admin client.Client) {
	key := &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "main-website"},
		Spec:       v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentProduction},
	}
	if err := admin.Create(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	eventuallyActive(t, admin, key)
	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(key), &corev1.Secret{}); err != nil {
		t.Error(err)
	}
}

func eventuallyActive(t *testing.T, admin client.Client, key *v1alpha1.APIKey) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		err := admin.Get(ctx, client.ObjectKeyFromObject(key), key)

		return key.Status.Phase == v1alpha1.PhaseActive, err
	})
	if err != nil {
		t.Fatalf("%v; status is %+v", err, key.Status)
	}
}

func servesMetrics(t *testing.T, admin client.Client, r *replica) {
	url := "https://" + r.metrics + "/metrics"
	r.eventually(t, url, "", http.StatusUnauthorized)
	r.eventually(t, url, tokenOf(t, admin, "stranger"), http.StatusForbidden)

	token := tokenOf(t, admin, "scraper")
	if err := admin.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "scraper"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "apikey-operator-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "default", Name: "scraper"}},
	}); err != nil {
		t.Fatal(err)
	}
	if body := r.eventually(t, url, token, http.StatusOK); !strings.Contains(body, "apikey_operator_expiry_delay_seconds") {
		t.Errorf("the metrics lack our own:\n%s", body)
	}
}

// tokenOf makes a service account and a token for it.
func tokenOf(t *testing.T, admin client.Client, name string) string {
	t.Helper()
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
	if err := admin.Create(t.Context(), sa); err != nil {
		t.Fatal(err)
	}
	request := tokenRequest()
	if err := admin.SubResource("token").Create(t.Context(), sa, request); err != nil {
		t.Fatal(err)
	}

	return request.Status.Token
}

func tokenRequest() *authenticationv1.TokenRequest { return &authenticationv1.TokenRequest{} }

// handsOver ends both replicas and returns the one that leads after them.
func handsOver(t *testing.T, admin client.Client, first, second *replica) *replica {
	t.Helper()
	before := leader(t, admin)
	// Which of the two leads is not known; ending one after the other, and starting a third between, sees a change.
	first.stop()
	third := start(t)
	third.eventually(t, "http://"+third.probes+"/readyz", "", http.StatusOK)
	second.stop()
	key := &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "after-the-change"},
		Spec:       v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentProduction},
	}
	if err := admin.Create(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	eventuallyActive(t, admin, key)
	if after := leader(t, admin); after == before {
		t.Errorf("%s still leads", after)
	}

	return third
}

// leader is who holds the Lease.
func leader(t *testing.T, admin client.Client) string {
	t.Helper()
	lease := &coordinationv1.Lease{}
	if err := admin.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "apikey-operator.apikey-operator.io"}, lease); err != nil {
		t.Fatal(err)
	}
	if lease.Spec.HolderIdentity == nil {
		return ""
	}

	return *lease.Spec.HolderIdentity
}
