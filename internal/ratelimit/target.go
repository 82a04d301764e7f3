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

// partitions returns how many parts of the store can fail independently.
func (t *target) partitions() int {
	if t.kind == cluster {
		return clusterPartitions
	}

	return 1
}

// senders returns how many batches of each partition are in progress at once. A request waits for at most one of them to return.
func (t *target) senders() int {
	if t.kind == cluster {
		return 2
	}

	return 8
}

// secure makes the client use TLS. The file ca holds the authorities of the servers; without it the system's authorities apply.
// If cert and key name files, the client presents that certificate. Errors quote no file name: see errURL.
func (t *target) secure(ca, cert, key string) error {
	config := &tls.Config{MinVersion: tls.VersionTLS12} // the name to verify is that of each server
	if ca != "" {
		text, err := os.ReadFile(ca) //nolint:gosec // the operator of the verifier names the file
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

// cause returns an error without the file name that it quotes.
func cause(err error) error {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		return pathError.Err
	}

	return err
}
