//go:build e2e

// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"crypto/x509"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	certificateName = "apikey-operator-verifier-tls"
	verifierService = "apikey-operator-verifier"
	verifierHost    = verifierService + "." + namespace + ".svc"
	authorityName   = "verifier-authority"
)

// certificateLimit is how long a running installation may take to use a certificate that it is given: the kubelet takes about 80 s at most to put
// it into the pods, which look for it every 10 seconds. The documentation says to have it before the installation.
const certificateLimit = 2 * time.Minute

// certificateSpecs give a running installation a certificate.
func certificateSpecs() {
	It("uses a certificate that comes late, and says that it has none until then", func(ctx context.Context) {
		r := requirement("certificate added to a running installation takes effect; a metric is 1 until then", "≤ 2 min")
		if !installedWithoutCertificate(ctx) { // as by the spec before
			remove(ctx)
			makeNamespace(ctx, keysNamespace)
			makeTarget(ctx, root, "deploy", currentImage)
		}
		awaitRollout(ctx)
		startAsker(ctx)
		token := newScraper(ctx)
		verifiers := pods(ctx, verifierComponent)
		selfSigned := func(value string) func(Gomega, context.Context) {
			return func(g Gomega, ctx context.Context) {
				for _, pod := range verifiers {
					expectMetric(g, ctx, pod, token, `apikey_verifier_certificate_self_signed{endpoint="gateways"} `+value)
				}
			}
		}
		Eventually(selfSigned("1")).WithContext(ctx).Should(Succeed())
		start := time.Now()
		want := makeCertificate(ctx)
		Eventually(func(g Gomega) {
			for _, pod := range verifiers {
				shown, err := shownBy(ctx, pod)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(shown.Equal(want)).To(BeTrue(), "the certificate that %s shows", pod.Name)
			}
		}).WithContext(ctx).Should(Succeed())
		took := time.Since(start)
		Eventually(selfSigned("0")).WithContext(ctx).Should(Succeed())
		r.within(took, certificateLimit)
	}, SpecTimeout(2*patience))
}

// installedWithoutCertificate reports whether there is an installation that has no certificate.
func installedWithoutCertificate(ctx context.Context) bool {
	GinkgoHelper()
	err := admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: certificateName}, &corev1.Secret{})

	return apierrors.IsNotFound(err) && len(pods(ctx, verifierComponent)) > 0
}

// makeCertificate gives the verifier a certificate before its first start, as the documentation says, and callers its authority. One that is
// there stays. It returns the one that is there.
func makeCertificate(ctx context.Context) *x509.Certificate {
	GinkgoHelper()
	certificate, key, err := cert.GenerateSelfSignedCertKey(verifierHost, nil, []string{verifierHost + ".cluster.local"})
	Expect(err).NotTo(HaveOccurred())
	made := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: certificateName}, Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{corev1.TLSCertKey: certificate, corev1.TLSPrivateKeyKey: key},
	}
	Expect(client.IgnoreAlreadyExists(admin.Create(ctx, made))).To(Succeed())
	found := &corev1.Secret{}
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(made), found)).To(Succeed())
	trusted := authority(found.Data[corev1.TLSCertKey])
	if err := admin.Update(ctx, trusted); err != nil {
		Expect(admin.Create(ctx, trusted)).To(Succeed())
	}
	chain, err := cert.ParseCertsPEM(found.Data[corev1.TLSCertKey])
	Expect(err).NotTo(HaveOccurred())

	return chain[0]
}

// authority returns the ConfigMap from which callers take the authority of the verifier.
func authority(certificate []byte) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: keysNamespace, Name: authorityName},
		Data:       map[string]string{"ca.crt": string(certificate)},
	}
}
