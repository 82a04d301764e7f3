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

// pollInterval is how often the files are polled, in addition to fsnotify: a kubelet replaces mounted Secrets by renaming a folder
// above them, which fsnotify may miss.
const pollInterval = 10 * time.Second

// selfSignedName is the host name in self-signed certificates. Clients cannot verify it.
const selfSignedName = "apikey-operator"

// Options of a Source.
type Options struct {
	// Dir has tls.crt and tls.key, as a mounted Secret of type kubernetes.io/tls does. It may be empty if SelfSigned is set.
	Dir string
	// SelfSigned makes the Source generate a certificate that serves for as long as Dir has none. The connection is encrypted,
	// but clients cannot tell the server from an impostor.
	SelfSigned bool
	// ClientCAFile has the authorities, in PEM, of which clients must show a certificate; empty: clients need none.
	ClientCAFile string
	// Clock wakes Run.
	Clock clock.WithTicker
	// Log takes changes of certificates.
	Log *slog.Logger
}

// Source provides the TLS configuration of a server. It follows the files while Run runs.
type Source struct {
	opts     Options
	files    atomic.Pointer[certwatcher.CertWatcher] // nil: Dir has no certificate yet
	fallback *tls.Certificate                        // nil: Dir has had a certificate from the start
	clients  *dynamiccertificates.DynamicFileCAContent
}

// Open reads the files. It returns an error if a file is missing or cannot be read, unless SelfSigned covers a missing certificate.
func Open(opts Options) (*Source, error) {
	s := &Source{opts: opts}
	if err := s.openCertificate(); err != nil {
		return nil, err
	}
	if opts.ClientCAFile != "" {
		var err error
		if s.clients, err = dynamiccertificates.NewDynamicCAContentFromFile("client-ca", opts.ClientCAFile); err != nil {
			return nil, fmt.Errorf("read the authorities of clients: %w", err)
		}
	}

	return s, nil
}

// openCertificate opens the certificate in Dir, or generates one in its place.
func (s *Source) openCertificate() (err error) {
	if s.opts.Dir != "" || !s.opts.SelfSigned {
		err = s.openFiles()
		if err == nil {
			return nil
		}
		if !s.opts.SelfSigned || !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read tls.crt and tls.key in %q: %w", s.opts.Dir, err)
		}
		s.opts.Log.Warn("There is no certificate, so a self-signed one is used. Clients cannot tell the server from an impostor: "+
			"put tls.crt and tls.key into the folder; they are loaded without a restart.", "folder", s.opts.Dir)
	}
	s.fallback, err = newSelfSigned()

	return err
}

// openFiles opens the files of the certificate.
func (s *Source) openFiles() error {
	files, err := certwatcher.New(filepath.Join(s.opts.Dir, "tls.crt"), filepath.Join(s.opts.Dir, "tls.key"))
	if err == nil {
		s.files.Store(files.WithWatchInterval(pollInterval))
	}

	return err
}

// newSelfSigned generates a certificate.
func newSelfSigned() (*tls.Certificate, error) {
	certificate, key, err := cert.GenerateSelfSignedCertKey(selfSignedName, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("generate a self-signed certificate: %w", err)
	}
	pair, err := tls.X509KeyPair(certificate, key)

	return &pair, err
}

// Run reloads files that change, until the context ends.
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

// awaitFiles waits until Dir has a certificate. It returns false if the context ends first.
func (s *Source) awaitFiles(ctx context.Context) bool {
	if s.files.Load() != nil {
		return true
	}
	if s.opts.Dir == "" {
		<-ctx.Done()

		return false
	}
	ticker := s.opts.Clock.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C():
			if s.openFiles() == nil {
				s.opts.Log.Info("The certificate in the folder replaces the self-signed one.", "folder", s.opts.Dir)

				return true
			}
		}
	}
}

// SelfSigned reports whether clients are shown the self-signed certificate.
func (s *Source) SelfSigned() bool { return s.files.Load() == nil }

// Config returns the TLS configuration of a server that speaks these protocols (RFC 7301), such as "h2".
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

// authorities returns the current authorities of clients. The pool is empty if the file cannot be read: then no client is let in.
func (s *Source) authorities() *x509.CertPool {
	if options, ok := s.clients.VerifyOptions(); ok {
		return options.Roots
	}

	return x509.NewCertPool()
}
