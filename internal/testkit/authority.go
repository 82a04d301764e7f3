// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// certificateLifetime is longer than any control plane of a test lives.
const certificateLifetime = 7 * 24 * time.Hour

// serviceAccountKeyBits is the size of the key that signs tokens: kube-apiserver takes RSA and some curves, and RSA everywhere.
const serviceAccountKeyBits = 2048

// authority is a certificate authority, and the files that kube-apiserver needs of it.
type authority struct {
	certificatePEM []byte
	issuer         *x509.Certificate
	key            *ecdsa.PrivateKey

	certificate                  string // the file of its certificate
	serverCertificate, serverKey string // the files of the server, which also signs tokens of service accounts
}

// newAuthority makes an authority and writes its files into a folder.
func newAuthority(folder string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	issuer, err := cert.NewSelfSignedCACert(cert.Config{CommonName: "testkit"}, key)
	if err != nil {
		return nil, err
	}
	certificatePEM, err := cert.EncodeCertificates(issuer)
	if err != nil {
		return nil, err
	}
	a := &authority{
		certificatePEM: certificatePEM, issuer: issuer, key: key,
		certificate:       filepath.Join(folder, "ca.crt"),
		serverCertificate: filepath.Join(folder, "apiserver.crt"),
		serverKey:         filepath.Join(folder, "apiserver.key"),
	}
	serverKey, err := rsa.GenerateKey(rand.Reader, serviceAccountKeyBits)
	if err != nil {
		return nil, err
	}
	serverPEM, err := a.sign(&serverKey.PublicKey, pkix.Name{CommonName: "kube-apiserver"}, x509.ExtKeyUsageServerAuth)
	if err != nil {
		return nil, err
	}
	serverKeyPEM, err := keyutil.MarshalPrivateKeyToPEM(serverKey)
	if err != nil {
		return nil, err
	}
	for path, content := range map[string][]byte{a.certificate: certificatePEM, a.serverCertificate: serverPEM, a.serverKey: serverKeyPEM} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return nil, err
		}
	}

	return a, nil
}

// clientCertificate makes a certificate for a user, and its key, both in PEM.
func (a *authority) clientCertificate(user string, groups []string) (certificate, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if certificate, err = a.sign(&private.PublicKey, pkix.Name{CommonName: user, Organization: groups}, x509.ExtKeyUsageClientAuth); err != nil {
		return nil, nil, err
	}
	key, err = keyutil.MarshalPrivateKeyToPEM(private)

	return certificate, key, err
}

// sign makes a certificate for loopback.
func (a *authority) sign(public any, subject pkix.Name, usage x509.ExtKeyUsage) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		Subject:      subject,
		SerialNumber: serial,
		NotBefore:    a.issuer.NotBefore,
		NotAfter:     a.issuer.NotBefore.Add(certificateLifetime),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage:  []x509.ExtKeyUsage{usage},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.ParseIP(loopback)},
	}, a.issuer, public, a.key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}

	return cert.EncodeCertificates(certificate)
}
