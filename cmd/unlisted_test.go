// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// TestManagerNamesWhatItCannotList takes the right to list one resource after the other from the operator.
func TestManagerNamesWhatItCannotList(t *testing.T) {
	plane := testkit.StartFor(t, testkit.Options{})
	admin, err := plane.Client()
	if err != nil {
		t.Fatal(err)
	}
	resources := map[string]string{
		"apikeys": "apikey-operator.io", "apikeypolicies": "apikey-operator.io", "secrets": "", "namespaces": "",
		"validatingadmissionpolicies": "admissionregistration.k8s.io", "validatingadmissionpolicybindings": "admissionregistration.k8s.io",
	}
	for missing := range resources {
		t.Run(missing, func(t *testing.T) {
			t.Parallel()
			user := "operator-without-" + missing
			allow(t, admin, user, missing, resources)
			kubeconfig, err := plane.Kubeconfig(user)
			if err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			//nolint:gosec // it runs itself
			cmd := exec.CommandContext(t.Context(), os.Args[0], "--kubeconfig="+kubeconfig, "--metrics-bind-address=0", "--health-probe-bind-address=0",
				"--start-timeout=3s")
			cmd.Env = append(os.Environ(), asManager+"=1")
			cmd.Stdout, cmd.Stderr = &log, &log
			if err := cmd.Run(); err == nil {
				t.Fatalf("it ended without an error; it said\n%s", log.String())
			}
			lines := strings.Split(strings.TrimSpace(log.String()), "\n")
			last := lines[len(lines)-1]
			if !strings.HasPrefix(last, "manager: ") || !strings.Contains(last, "cannot list "+missing) || !strings.Contains(last, user) {
				t.Errorf("the last line does not name %s:\n%s", missing, strings.Join(lines[max(0, len(lines)-5):], "\n"))
			}
			for other := range resources {
				if other != missing && strings.Contains(last, "cannot list "+other+":") {
					t.Errorf("the last line blames %s, which can be listed:\n%s", other, last)
				}
			}
		})
	}
}

// allow gives a user every right that the operator needs, but for one resource.
func allow(t *testing.T, admin client.Client, user, missing string, resources map[string]string) {
	t.Helper()
	rules := []rbacv1.PolicyRule{{APIGroups: []string{"events.k8s.io", "coordination.k8s.io"}, Resources: []string{"*"}, Verbs: []string{"*"}}}
	for resource, group := range resources {
		if resource != missing {
			rules = append(rules, rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: []string{"get", "list", "watch"}})
		}
	}
	for _, object := range []client.Object{
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: user}, Rules: rules},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: user},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: user},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
		},
	} {
		if err := admin.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
}
