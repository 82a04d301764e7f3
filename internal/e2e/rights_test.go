//go:build e2e

// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"flag"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// update rewrites the golden lists.
var update = flag.Bool("update", false, "Write the golden lists.")

const enforceLabel = "pod-security.kubernetes.io/enforce"

// rightsSpecs are about what the programs may do.
func rightsSpecs() {
	BeforeAll(install, NodeTimeout(2*patience))

	It("gives each account the rights of the golden list", func(ctx context.Context) {
		r := requirement("rights per account (`kubectl auth can-i --list`)", "those of the golden list")
		for _, account := range []string{"controller-manager", "verifier"} {
			testkit.Golden(GinkgoTB(), "rights-"+account+".txt", rights(ctx, "apikey-operator-"+account, namespace, keysNamespace), *update)
		}
		r.is(true, "the same")
	}, SpecTimeout(patience))

	It("runs under Pod Security restricted", func(ctx context.Context) {
		r := requirement("Pod Security of the namespace", "restricted, and all pods run")
		found := &corev1.Namespace{}
		Expect(admin.Get(ctx, client.ObjectKey{Name: namespace}, found)).To(Succeed())
		privileged := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "privileged"},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: callerImage}}},
		}
		Expect(admin.Create(ctx, privileged, client.DryRunAll)).To(MatchError(apierrors.IsForbidden, "forbidden"))
		running := append(pods(ctx, managerComponent), pods(ctx, verifierComponent)...)
		Expect(running).To(HaveLen(4))
		r.is(found.Labels[enforceLabel] == "restricted" && !slices.ContainsFunc(running, notReady), "%s, %d pods run",
			found.Labels[enforceLabel], len(running))
	}, SpecTimeout(patience))
}

func notReady(pod corev1.Pod) bool { return !podReady(pod) }

// rights returns what a service account of the installation may do in some namespaces, beyond the rights of every account.
func rights(ctx context.Context, account string, namespaces ...string) string {
	GinkgoHelper()
	var text strings.Builder
	for _, where := range namespaces {
		everyone := listRights(ctx, where, "system:serviceaccount:"+where+":default")
		text.WriteString("in namespace " + where + ":\n")
		for _, line := range listRights(ctx, where, "system:serviceaccount:"+namespace+":"+account) {
			if !slices.Contains(everyone, line) {
				text.WriteString(line + "\n")
			}
		}
	}

	return text.String()
}

// listRights returns the lines of kubectl auth can-i --list for a user, sorted, each with single blanks.
func listRights(ctx context.Context, where, user string) []string {
	GinkgoHelper()
	out := kubectl(ctx, "auth", "can-i", "--list", "--no-headers", "-n", where, "--as="+user,
		"--as-group=system:serviceaccounts", "--as-group=system:authenticated")
	var lines []string
	for line := range strings.Lines(out) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	slices.Sort(lines)

	return lines
}
