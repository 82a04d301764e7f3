// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/client-go/util/cert"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

// LookInterval is how often is looked whether files are there or have changed, beside what the file system tells:
// a kubelet replaces mounted Secrets in a way that it does not tell.
const LookInterval = 10 * time.Second

// Options of a Source.
type Options struct {
	// Dir has tls.crt and tls.key, as a Secret of type kubernetes.io/tls does.
	Dir string
	// SelfSigned gives the server a certificate of its own making for as long as Dir has none. It keeps eavesdroppers out,
	// but clients cannot tell the server from an impostor.
	SelfSigned bool
	// ClientCAFile has the authorities, in PEM, of which clients must show a certificate; empty: clients need none.
	ClientCAFile string
	// Clock wakes Run.
	Clock clock.WithTicker
	// Log takes changes of certificates.
	Log *slog.Logger
}

// Source is what a server shows and asks for at the beginning of a connection. It follows the files while Run runs.
type Source struct {
	opts     Options
	files    atomic.Pointer[certwatcher.CertWatcher] // nil: there are none yet
	fallback *tls.Certificate                        // nil: there must be files
	clients  *dynamiccertificates.DynamicFileCAContent
}

// Open reads the files. It fails when one is not there or cannot be read, except for a certificate that SelfSigned stands in for.
func Open(opts Options) (*Source, error) {
	s := &Source{opts: opts}
	err := s.look()
	if err != nil && (!opts.SelfSigned || !errors.Is(err, fs.ErrNotExist)) {
		return nil, fmt.Errorf("read tls.crt and tls.key in %s: %w", opts.Dir, err)
	}
	if err != nil {
		if s.fallback, err = selfSigned(); err != nil {
			return nil, err
		}
		opts.Log.Warn("There is no certificate, so the verifier has made one. Clients cannot tell it from an impostor: put tls.crt and tls.key there; they are taken over without a restart.",
			"folder", opts.Dir)
	}
	if opts.ClientCAFile != "" {
		if s.clients, err = dynamiccertificates.NewDynamicCAContentFromFile("client-ca", opts.ClientCAFile); err != nil {
			return nil, fmt.Errorf("read the authorities of clients: %w", err)
		}
	}

	return s, nil
}

// look opens the files of the certificate.
func (s *Source) look() error {
	files, err := certwatcher.New(filepath.Join(s.opts.Dir, "tls.crt"), filepath.Join(s.opts.Dir, "tls.key"))
	if err == nil {
		s.files.Store(files.WithWatchInterval(LookInterval))
	}

	return err
}

// selfSigned makes a certificate.
func selfSigned() (*tls.Certificate, error) {
	certificate, key, err := cert.GenerateSelfSignedCertKey("apikey-operator-verifier", nil, nil)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	pair, err := tls.X509KeyPair(certificate, key)

	return &pair, err
}

// Run follows the files until the context ends.
func (s *Source) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	if s.clients != nil {
		running.Go(func() { s.clients.Run(ctx, 1) })
	}
	if !s.awaitFiles(ctx) {
		return nil
	}

	return s.files.Load().Start(ctx)
}

// awaitFiles looks for the certificate until it is there; false: the context has ended before.
func (s *Source) awaitFiles(ctx context.Context) bool {
	if s.files.Load() != nil {
		return true
	}
	ticker := s.opts.Clock.NewTicker(LookInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C():
			if s.look() == nil {
				s.opts.Log.Info("The certificate is there and takes the place of the self-signed one.", "folder", s.opts.Dir)

				return true
			}
		}
	}
}

// Config is the TLS configuration of a server that speaks these protocols (RFC 7301), such as "h2".
func (s *Source) Config(protocols ...string) *tls.Config {
	base := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     protocols,
		GetCertificate: s.certificate,
	}
	if s.clients != nil {
		base.ClientAuth = tls.RequireAndVerifyClientCert
		base.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			current := base.Clone()
			current.ClientCAs = s.authorities()

			return current, nil
		}
	}

	return base
}

func (s *Source) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if files := s.files.Load(); files != nil {
		return files.GetCertificate(hello)
	}

	return s.fallback, nil
}

// authorities are those of clients now; none where the file has become unreadable, so that no client is let in.
func (s *Source) authorities() *x509.CertPool {
	if options, ok := s.clients.VerifyOptions(); ok {
		return options.Roots
	}

	return x509.NewCertPool()
}
