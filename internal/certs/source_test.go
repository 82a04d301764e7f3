// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package certs_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/internal/certs"
)

// patience is more than the source may take to notice that a file has changed: it polls every 10 seconds.
const patience = time.Minute

// pair is a certificate for 127.0.0.1 that is its own authority.
type pair struct{ certificate, key []byte }

func newPair(t *testing.T) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: rand.Text()},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}

	return pair{
		certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}
}

// into writes the files as a kubelet does: all at once.
func (p pair) into(t *testing.T, folder string) {
	t.Helper()
	for name, content := range map[string][]byte{"tls.crt": p.certificate, "tls.key": p.key} {
		replace(t, filepath.Join(folder, name), content)
	}
}

func replace(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path+".new", content, 0o600), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
}

func (p pair) tls(t *testing.T) tls.Certificate {
	t.Helper()
	c, err := tls.X509KeyPair(p.certificate, p.key)
	if err != nil {
		t.Fatal(err)
	}

	return c
}

// serve opens the source, follows its files and answers connections with it.
func serve(t *testing.T, opts certs.Options) string {
	t.Helper()
	_, address := serveSource(t, opts)

	return address
}

// serveSource is serve, and returns the source as well.
func serveSource(t *testing.T, opts certs.Options) (*certs.Source, string) {
	t.Helper()
	opts.Clock = clock.RealClock{}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	source, err := certs.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- source.Run(ctx) }()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", source.Config("h2"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = listener.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = connection.Write([]byte("hello")) // completes the handshake, or does not
				_ = connection.Close()
			}()
		}
	}()

	return source, listener.Addr().String()
}

// shown is the certificate that a server shows a client, which shows one of its own or none.
func shown(t *testing.T, address string, own ...tls.Certificate) ([]byte, error) {
	t.Helper()
	//nolint:gosec // G402: the test checks the certificate itself
	config := &tls.Config{InsecureSkipVerify: true, Certificates: own, NextProtos: []string{"h2"}}
	dialer := tls.Dialer{Config: config}
	connection, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = connection.Close() }()
	if _, err := connection.Read(make([]byte, 1)); err != nil { // with TLS 1.3 a client learns only now that it was refused
		return nil, err
	}
	c, ok := connection.(*tls.Conn)
	if !ok {
		t.Fatalf("%T", connection)
	}

	return c.ConnectionState().PeerCertificates[0].Raw, nil
}

func raw(t *testing.T, p pair) []byte { t.Helper(); return p.tls(t).Certificate[0] }

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); !holds(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

func TestACertificateThatIsReplacedIsTakenOver(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	first, second := newPair(t), newPair(t)
	first.into(t, folder)
	address := serve(t, certs.Options{Dir: folder})
	if got, err := shown(t, address); err != nil || !bytes.Equal(got, raw(t, first)) {
		t.Fatalf("the first certificate is not shown: %v", err)
	}
	second.into(t, folder)
	eventually(t, "the second certificate", func() bool {
		got, err := shown(t, address)

		return err == nil && bytes.Equal(got, raw(t, second))
	})
}

func TestASelfSignedCertificateStandsInUntilThereIsOne(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	var log bytes.Buffer
	source, address := serveSource(t, certs.Options{Dir: folder, SelfSigned: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if !strings.Contains(log.String(), "level=WARN") {
		t.Errorf("nobody is warned: %q", log.String())
	}
	if !source.SelfSigned() {
		t.Error("the source does not say that its certificate is self-signed")
	}
	got, err := shown(t, address)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := x509.ParseCertificate(got); err != nil || c.Subject.CommonName == "" {
		t.Fatalf("%v, %v", c, err)
	}
	proper := newPair(t)
	proper.into(t, folder)
	eventually(t, "the certificate in the folder", func() bool {
		got, err := shown(t, address)

		return err == nil && bytes.Equal(got, raw(t, proper))
	})
	if source.SelfSigned() {
		t.Error("the source says that the certificate in the folder is self-signed")
	}
}

func TestClientsMustShowACertificateOfTheAuthority(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	server, friend, stranger := newPair(t), newPair(t), newPair(t)
	server.into(t, folder)
	authorities := filepath.Join(folder, "ca.crt")
	replace(t, authorities, friend.certificate)
	address := serve(t, certs.Options{Dir: folder, ClientCAFile: authorities})
	for name, c := range map[string]struct {
		own  []tls.Certificate
		want bool
	}{
		"nobody":     {nil, false},
		"a stranger": {[]tls.Certificate{stranger.tls(t)}, false},
		"a friend":   {[]tls.Certificate{friend.tls(t)}, true},
	} {
		if _, err := shown(t, address, c.own...); (err == nil) != c.want {
			t.Errorf("with the certificate of %s: %v", name, err)
		}
	}
	// The authorities are replaced: who was let in no longer is, and the other way round.
	replace(t, authorities, stranger.certificate)
	eventually(t, "the new authority", func() bool {
		_, friendly := shown(t, address, friend.tls(t))
		_, strange := shown(t, address, stranger.tls(t))

		return friendly != nil && strange == nil
	})
}

func TestOpenRefuses(t *testing.T) {
	good, empty, broken := t.TempDir(), t.TempDir(), t.TempDir()
	newPair(t).into(t, good)
	replace(t, filepath.Join(broken, "tls.crt"), []byte("no certificate"))
	replace(t, filepath.Join(broken, "tls.key"), []byte("no key"))
	for name, c := range map[string]struct {
		opts certs.Options
		is   error
	}{
		"a folder without files":                       {certs.Options{Dir: empty}, fs.ErrNotExist},
		"files that are none, also where one would do": {certs.Options{Dir: broken, SelfSigned: true}, nil},
		"authorities that are not there":               {certs.Options{Dir: good, ClientCAFile: filepath.Join(empty, "ca.crt")}, fs.ErrNotExist},
		"a file of authorities without any":            {certs.Options{Dir: good, ClientCAFile: filepath.Join(broken, "tls.crt")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c.opts.Clock, c.opts.Log = clock.RealClock{}, slog.New(slog.DiscardHandler)
			if _, err := certs.Open(c.opts); err == nil || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v", err)
			}
		})
	}
}
