// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/access"
)

// authority signs certificates, and is no authority that the system knows.
type authority struct {
	t           *testing.T
	folder      string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, folder: t.TempDir()}
	a.key, a.certificate = a.issue("ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})

	return a
}

// issue makes a certificate, and files NAME.crt and NAME.key.
func (a *authority) issue(name string, template *x509.Certificate) (*ecdsa.PrivateKey, *x509.Certificate) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber, template.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.certificate, a.key
	if parent == nil {
		parent, signer = template, key
	}
	wire, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(wire)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		a.file(name + ".crt"): {Type: "CERTIFICATE", Bytes: wire},
		a.file(name + ".key"): {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}

	return key, certificate
}

func (a *authority) file(name string) string { return filepath.Join(a.folder, name) }

// flags are those of a server with a certificate for an address and a name.
func (a *authority) flags(address, clients string) []string {
	a.issue("server", &x509.Certificate{IPAddresses: []net.IP{net.ParseIP(address)}, DNSNames: []string{"localhost"}})

	return []string{
		"--tls-cert-file", a.file("server.crt"), "--tls-key-file", a.file("server.key"), "--tls-ca-cert-file", a.file("ca.crt"), "--tls-auth-clients", clients,
		"--bind", "127.0.0.1", "--port", "0",
	}
}

// secureURL is the URL of a server with TLS, with options that are files.
func secureURL(scheme, address string, options map[string]string) string {
	query := url.Values{}
	for name, file := range options {
		query.Set(name, file)
	}

	return (&url.URL{Scheme: scheme, User: url.UserPassword("", password), Host: address, RawQuery: query.Encode()}).String()
}

func TestTLSWithAnAuthorityOfOnesOwn(t *testing.T) {
	ours, others := newAuthority(t), newAuthority(t)
	ours.issue("client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	others.issue("client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	ca := map[string]string{"ca": ours.file("ca.crt")}
	with := func(a *authority) map[string]string {
		return map[string]string{"ca": ours.file("ca.crt"), "cert": a.file("client.crt"), "key": a.file("client.key")}
	}
	for name, c := range map[string]struct {
		certified, clients string // the address in the certificate, and whether clients must show one
		options            map[string]string
		want               string // a server that refuses a certificate may say so, or hang up before that can be read
	}{
		"the authority":            {"127.0.0.1", "no", ca, ""},
		"the system's authorities": {"127.0.0.1", "no", nil, "WARN certificate signed by unknown authority"},
		"another authority": {
			"127.0.0.1",
			"no",
			map[string]string{"ca": others.file("ca.crt")},
			"WARN certificate signed by unknown authority",
		},
		"a server by another name":              {"127.0.0.2", "no", ca, "WARN certificate is valid for 127.0.0.2, not 127.0.0.1"},
		"a certificate of the client":           {"127.0.0.1", "yes", with(ours), ""},
		"no certificate of the client":          {"127.0.0.1", "yes", ca, "WARN error="},
		"a certificate that the server refuses": {"127.0.0.1", "yes", with(others), "WARN error="},
	} {
		t.Run(name, func(t *testing.T) {
			address := closed(t)
			_, port, _ := net.SplitHostPort(address)
			startServer(t, append(ours.flags(c.certified, c.clients), "--tls-port", port)...)
			r := newReplica(t, secureURL("rediss", address, c.options), bound/2)
			limit := access.Limit{Requests: 10, Per: day}
			if c.want == "" {
				r.wantUp(t)
				wantLeft(t, "a", limit, 8, r, r)
				r.wantMetric(t, "fallback_total", 0)

				return
			}
			eventually(t, "logged", func() bool { return len(r.log.lines()) > 0 })
			r.wantLog(t, c.want)
			r.wantLocal(t, "a")
		})
	}
}

func TestTLSToACluster(t *testing.T) {
	a, address, bus := newAuthority(t), closed(t), closed(t)
	_, port, _ := net.SplitHostPort(address)
	_, busPort, _ := net.SplitHostPort(bus)
	s := startServer(t, append(a.flags("127.0.0.1", "no"), "--tls-port", port, "--tls-cluster", "yes", "--cluster-enabled", "yes",
		"--cluster-port", busPort, "--cluster-announce-ip", "127.0.0.1")...)
	s.do("CLUSTER", "ADDSLOTSRANGE", 0, slots-1)
	eventually(t, "a cluster", func() bool {
		info, _ := s.do("CLUSTER", "INFO").(string)
		return strings.Contains(info, "cluster_state:ok")
	})
	r := newReplica(t, secureURL("rediss+cluster", address, map[string]string{"ca": a.file("ca.crt")}), bound/2)
	r.wantUp(t)
	wantLeft(t, "a", access.Limit{Requests: 10, Per: day}, 8, r, r)
	r.wantMetric(t, "fallback_total", 0)
}

func TestTLSIsSpokenWhereItIsAskedFor(t *testing.T) {
	for _, scheme := range []string{"rediss", "rediss+cluster", "rediss+sentinel"} {
		listener := listen(t)
		newReplica(t, scheme+"://"+listener.Addr().String()+map[string]string{"rediss+sentinel": "/master"}[scheme], bound/10)
		connection, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		const handshake = 0x16 // RFC 8446, section 5.1
		first := make([]byte, 1)
		if _, err := io.ReadFull(connection, first); err != nil || first[0] != handshake {
			t.Errorf("%s: the first byte is %#x (%v), want that of a TLS handshake", scheme, first, err)
		}
		_ = connection.Close() // nothing was written
	}
}
