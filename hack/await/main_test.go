// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

func TestRunExitCodes(t *testing.T) {
	for name, c := range map[string]struct {
		args           []string
		code           int
		stdout, stderr string // parts of what is printed
	}{
		"--help explains":              {[]string{"--help"}, exitOK, "Usage: await", ""},
		"no argument is refused":       {nil, exitUsage, "", "want one of crds, guardrails and removal"},
		"an unknown one is refused":    {[]string{"policies"}, exitUsage, "", `"policies"`},
		"two are refused":              {[]string{"crds", "removal"}, exitUsage, "", "want one of"},
		"a limit of nothing":           {[]string{"--limit=0s", "crds"}, exitUsage, "", "--limit is 0s"},
		"an empty kubectl":             {[]string{"--kubectl=", "crds"}, exitFailed, "", "--kubectl is empty"},
		"a kubectl that is not there":  {[]string{"--kubectl=/nowhere/kubectl", "crds"}, exitFailed, "", "/nowhere/kubectl"},
		"a kubectl without kubeconfig": {[]string{"--kubectl=false", "crds"}, exitFailed, "", `ask "false" for its kubeconfig`},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr strings.Builder
			if code := run(t.Context(), c.args, &stdout, &stderr); code != c.code {
				t.Errorf("exit code %d, want %d: %s", code, c.code, stderr.String())
			}
			for _, p := range []struct{ got, want string }{{stdout.String(), c.stdout}, {stderr.String(), c.stderr}} {
				if !strings.Contains(p.got, p.want) || p.want == "" && p.got != "" {
					t.Errorf("printed %q, want %q in it", p.got, p.want)
				}
			}
		})
	}
}

// TestMake runs the targets of the Makefile on an empty cluster, as its users do: through a kubectl with arguments of its own.
func TestMake(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane")
	}
	plane := testkit.StartFor(t, testkit.Options{WithoutCRDs: true})
	if err := plane.StartControllerManager(t.Context()); err != nil { // `kubectl delete` waits for its collections
		t.Fatal(err)
	}
	admin, err := plane.Client()
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := plane.Kubeconfig("installer", "system:masters")
	if err != nil {
		t.Fatal(err)
	}
	makes := func(ctx context.Context, target string, variables ...string) (string, error) {
		root, err := testkit.Root()
		if err != nil {
			return "", err
		}
		cmd := exec.CommandContext(
			ctx,
			"make",
			append([]string{target, "KUBECTL=" + plane.Program("kubectl") + " --kubeconfig=" + kubeconfig}, variables...)...)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "KUBECONFIG=/nowhere", "KUBECACHEDIR="+plane.Folder()+"/cache", "MAKEFLAGS=")
		out, err := cmd.CombinedOutput()

		return string(out), err
	}
	for range 2 { // an installation, and one after an uninstallation
		for _, step := range []struct{ target, says string }{
			{"install", "The API server serves the CRDs."},
			{"deploy", "The guardrails are in force."},
			{"deploy", "The guardrails are in force."}, // an upgrade
			{"undeploy", ""},
			{"deploy", "The guardrails are in force."},
			{"uninstall", "No guardrail is in force any more."},
		} {
			out, err := makes(t.Context(), step.target, "AWAIT_LIMIT=5m")
			if err != nil || !strings.Contains(out, step.says) || strings.Contains(out, "not found out") {
				t.Fatalf("make %s: %v\n%s", step.target, err, out)
			}
			if step.target == "deploy" {
				answersNow(t, admin)
			}
		}
		if err := admin.List(t.Context(), &v1alpha1.APIKeyList{}); !meta.IsNoMatchError(err) && client.IgnoreNotFound(err) != nil {
			t.Fatalf("after make uninstall: %v", err)
		}
	}
	t.Run("a limit that is too short says so", func(t *testing.T) {
		started := time.Now()
		out, err := makes(t.Context(), "deploy", "AWAIT_LIMIT=1ms")
		if err == nil || !bytes.Contains([]byte(out), []byte("1ms")) {
			t.Errorf("after %s: %v\n%s", time.Since(started), err, out)
		}
	})
}

// answersNow checks that an APIKey passes and a Secret of one does not, without waiting.
func answersNow(t *testing.T, admin client.Client) {
	t.Helper()
	key := &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "main-website"},
		Spec:       v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentProduction},
	}
	if err := admin.Create(t.Context(), key, client.DryRunAll); err != nil {
		t.Error(err)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "main-website", OwnerReferences: []metav1.OwnerReference{{
			APIVersion: v1alpha1.GroupVersion.String(), Kind: "APIKey", Name: "main-website", UID: "u", Controller: new(true),
		}}},
		Type: v1alpha1.SecretType,
	}
	if err := admin.Create(t.Context(), secret, client.DryRunAll); err == nil || !strings.Contains(err.Error(), "apikey-operator-secrets") {
		t.Errorf("a Secret of an APIKey: %v", err)
	}
}
