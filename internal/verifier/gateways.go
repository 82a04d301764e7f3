// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"context"
	"fmt"
	"time"

	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/internal/certs"
	"github.com/apikey-operator/apikey-operator/internal/connlimit"
	"github.com/apikey-operator/apikey-operator/internal/program"
)

// Time limits. The verifier answers from memory, so a gateway that takes longer is broken, or its network is.
const (
	// maxConnectionAge is the age at which a gRPC connection is closed gracefully, so that gateways find new replicas.
	maxConnectionAge = 10 * time.Minute
	// maxConnectionAgeGrace is the time that requests on such a connection may still take.
	maxConnectionAgeGrace = time.Minute
	// minPingInterval is how often gateways may send keepalive pings over gRPC.
	minPingInterval = 5 * time.Second
	// idleTimeout is how long a connection stays open without a request. nginx keeps its own for a minute.
	idleTimeout = 2 * time.Minute
	// handshakeTimeout limits the handshakes of TLS and HTTP/2 together.
	handshakeTimeout = 5 * time.Second
	// headerTimeout limits the time to receive the headers of a request, and over HTTP/1.1 the TLS handshake.
	headerTimeout = 5 * time.Second
	// requestTimeout limits a request from its first byte to the last byte of the answer.
	requestTimeout = 10 * time.Second
)

// Size limits. They bound the memory of all requests that are under way; see TestFloods.
const (
	// maxHeaders limits the header bytes of a request over HTTP. Envoy passes on up to 60 KiB.
	maxHeaders = 64 << 10
	// maxMessage limits the bytes of a CheckRequest: the same headers, and what Envoy says about the connection.
	maxMessage = 80 << 10
	// maxMetadata limits the header bytes of a gRPC call. The headers of the client are in the message instead.
	maxMetadata = 16 << 10
	// maxStreams limits the concurrent requests on one HTTP/2 connection. Gateways open another connection for more.
	maxStreams = 100
	// maxRequests limits the concurrent gRPC calls on all connections.
	maxRequests = 1000
	// window is how many bytes of requests an HTTP/2 connection may send ahead of being read.
	window = 64 << 10
)

// gatewayServer is a server for gateways.
type gatewayServer struct {
	// serve serves until stop is called, and then returns nil.
	serve func() error
	// drain asks clients to use another server, as far as the protocol can say that.
	drain func()
	// stop returns when the requests that have begun are answered, or when the context ends.
	stop func(ctx context.Context)
}

// listen opens the addresses for gateways.
func (c *components) listen(ctx context.Context) ([]*gatewayServer, error) {
	var servers []*gatewayServer
	for _, protocol := range []struct {
		address string
		make    func(listener *connlimit.Listener, source *certs.Source) *gatewayServer
	}{
		{c.options.grpcAddress, c.newGRPCServer},
		{c.options.httpAddress, c.newHTTPServer},
	} {
		if protocol.address == program.Off {
			continue
		}
		listener, err := listenOn(ctx, protocol.address)
		if err != nil {
			return nil, fmt.Errorf("listen for gateways: %w", err)
		}
		source := c.certs
		if isUnix(protocol.address) { // the mode of the socket says who may connect
			source = nil
		}
		servers = append(servers, protocol.make(connlimit.Listen(listener, connlimit.Options{
			Connections: c.options.maxConnections, Requests: maxRequests, Clock: clock.RealClock{}, Evicted: c.evicted,
		}), source))
	}

	return servers, nil
}
