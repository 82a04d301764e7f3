// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/redis/go-redis/v9"
)

// open makes a client.
func (t *target) open() redis.UniversalClient {
	switch t.kind {
	case cluster:
		return redis.NewClusterClient(t.options.Cluster())
	case sentinel:
		return redis.NewFailoverClient(t.options.Failover())
	default:
		return redis.NewClient(t.options.Simple())
	}
}

// parts is how many parts of the store can fail by themselves.
func (t *target) parts() int {
	if t.kind == cluster {
		return clusterParts
	}

	return 1
}

// senders is how many batches of each part can be under way: a request waits for one of them to return, at most.
func (t *target) senders() int {
	if t.kind == cluster {
		return 2
	}

	return 8
}

// secure has the client speak TLS, with servers that an authority in the file ca vouches for; "": the system's. Where cert and
// key name files, the client shows that certificate. An error does not say which files: see errURL.
func (t *target) secure(ca, cert, key string) error {
	config := &tls.Config{MinVersion: tls.VersionTLS12} // the name to verify is that of each server
	if ca != "" {
		text, err := os.ReadFile(ca) //nolint:gosec // who runs the verifier names the file
		if err != nil {
			return fmt.Errorf("the file that ca names cannot be read: %w", cause(err))
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return errors.New("the file that ca names has no certificate in PEM")
		}
	}
	if (cert == "") != (key == "") {
		return errors.New("has only one of cert and key: a client certificate needs both")
	}
	if cert != "" {
		own, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return fmt.Errorf("the files that cert and key name are no certificate and its key: %w", cause(err))
		}
		config.Certificates = []tls.Certificate{own}
	}
	t.options.TLSConfig = config

	return nil
}

// cause is an error without the name of a file.
func cause(err error) error {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		return pathError.Err
	}

	return err
}
