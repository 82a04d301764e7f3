//go:build e2e

// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
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

// makeCertificate gives the verifier a certificate before its first start, as the documentation says, and callers its authority. One that is
// there stays.
func makeCertificate(ctx context.Context) {
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
}

// authority returns the ConfigMap from which callers take the authority of the verifier.
func authority(certificate []byte) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: keysNamespace, Name: authorityName},
		Data:       map[string]string{"ca.crt": string(certificate)},
	}
}
