// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package program

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
)

// Limits of connections to the API server. A connection that swallows what is sent is given up after the sum of readIdle and pingTimeout,
// so requests that hang on it fail and are tried again on another. client-go's own limits are 45 s for an open connection, 30 s for a new one
// and 10 s for its handshake. The cost is one ping of HTTP/2 per connection every 2 seconds without an answer of the API server.
const (
	readIdle       = "2" // seconds, as in the environment
	pingTimeout    = "2"
	connectTimeout = 3 * time.Second
	// firstReadTimeout bounds the wait for the first byte, which begins the answer to the handshake.
	firstReadTimeout = 3 * time.Second
)

// Cluster returns the configuration for the API server of --kubeconfig, $KUBECONFIG or the pod. Clients are not limited: the priority and
// fairness of the API server limits the rate of the operator, and the verifier has limits of its own.
func Cluster() (*rest.Config, error) {
	cfg, err := config.GetConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster (--kubeconfig, $KUBECONFIG, or a pod's service account): %w", err)
	}
	cfg.QPS = -1
	cfg.Dial = dial
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { return sooner{next} })

	return cfg, nil
}

// setPings makes client-go notice dead connections, unless the environment says when. client-go takes these times from nowhere else.
func setPings() error {
	for name, value := range map[string]string{
		"HTTP2_READ_IDLE_TIMEOUT_SECONDS": readIdle, "HTTP2_PING_TIMEOUT_SECONDS": pingTimeout,
	} {
		if os.Getenv(name) != "" {
			continue
		}
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}

	return nil
}

// dial connects to the API server.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	connection, err := (&net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}

	return &freshConn{Conn: connection}, nil
}

// freshConn is a connection whose first read has a time limit.
type freshConn struct {
	net.Conn

	answered atomic.Bool
}

// Read implements net.Conn.
func (c *freshConn) Read(into []byte) (int, error) {
	if c.answered.Load() {
		return c.Conn.Read(into)
	}
	if err := c.SetReadDeadline(time.Now().Add(firstReadTimeout)); err != nil { //nolint:forbidigo // deadlines of sockets are real times
		return 0, err
	}
	n, err := c.Conn.Read(into)
	if err != nil {
		return n, err
	}
	c.answered.Store(true)

	return n, c.SetReadDeadline(time.Time{})
}
