//go:build e2e

// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"net"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

const (
	askerName = "asker"
	// scraper is a service account that may read metrics.
	scraper = "e2e-scraper"

	verifyPort, metricsPort = "9002", "8443"
)

// answer is what hack/e2e/caller reports about a request that it sent for a test.
type answer struct {
	Status      int    `json:"status"`
	Body        string `json:"body"`
	Certificate []byte `json:"certificate"` // of the server
}

// startAsker runs a pod that sends single requests to pods for the tests. NetworkPolicies let it; they need not let the API server, through
// which the tests reach it.
func startAsker(ctx context.Context) {
	GinkgoHelper()
	pod := callerPod(ctx, askerName, nil)
	Expect(client.IgnoreAlreadyExists(admin.Create(ctx, pod))).To(Succeed())
	Eventually(func() error {
		_, err := readReport(ctx, askerName)

		return err
	}).WithContext(ctx).Should(Succeed(), "the pod that asks must run")
}

// get sends a request to a pod, from the pod that asks. There may be no answer.
func get(ctx context.Context, pod corev1.Pod, port, path string, headers map[string]string) (answer, error) {
	var got answer
	question, err := json.Marshal(map[string]any{"url": "https://" + net.JoinHostPort(pod.Status.PodIP, port) + path, "headers": headers})
	if err != nil {
		return got, err
	}
	raw, err := core.CoreV1().RESTClient().Post().Namespace(keysNamespace).Resource("pods").Name(askerName + ":8080").SubResource("proxy").
		Suffix("ask").Body(question).DoRaw(ctx)
	if err != nil {
		return got, err
	}

	return got, json.Unmarshal(raw, &got)
}

// ask sends a key to one verifier, and returns the status of the answer, or 0.
func ask(ctx context.Context, pod corev1.Pod, key string) int {
	got, err := get(ctx, pod, verifyPort, "/verify?environment="+string(v1alpha1.EnvironmentProduction), map[string]string{"X-API-Key": key})
	if err != nil {
		return 0
	}

	return got.Status
}

// shownBy returns the certificate that a verifier shows to gateways.
func shownBy(ctx context.Context, pod corev1.Pod) (*x509.Certificate, error) {
	got, err := get(ctx, pod, verifyPort, "/verify", nil)
	if err != nil {
		return nil, err
	}

	return x509.ParseCertificate(got.Certificate)
}

// newScraper returns a token for the metrics, which is valid until the end of the spec.
func newScraper(ctx context.Context) (token string) {
	GinkgoHelper()
	subject := metav1.ObjectMeta{Namespace: keysNamespace, Name: scraper}
	account := &corev1.ServiceAccount{ObjectMeta: subject}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: scraper},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "apikey-operator-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: keysNamespace, Name: scraper}},
	}
	for _, object := range []client.Object{account, binding} {
		Expect(admin.Create(ctx, object)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, object)).To(Succeed()) }, NodeTimeout(time.Minute))
	}
	request, err := core.CoreV1().ServiceAccounts(keysNamespace).CreateToken(ctx, scraper, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())

	return request.Status.Token
}

// expectMetric checks that the metrics of a pod have a line.
func expectMetric(g Gomega, ctx context.Context, pod corev1.Pod, token, line string) { //nolint:revive // Gomega comes first, as in Eventually
	got, err := get(ctx, pod, metricsPort, "/metrics", map[string]string{"Authorization": "Bearer " + token})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.Status).To(Equal(http.StatusOK), got.Body)
	g.Expect(got.Body).To(ContainSubstring("\n" + line + "\n"))
}
