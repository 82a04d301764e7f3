// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"

	"k8s.io/client-go/tools/clientcmd"
)

// Fault is what a Relay does with connections.
type Fault int32

// The faults of a Relay.
const (
	// NoFault passes everything on.
	NoFault Fault = iota
	// Breaks closes every connection, also new ones.
	Breaks
	// Swallows keeps connections open and passes nothing on, ever: also after the fault, connections from before stay dead.
	Swallows
)

// Relay is a way to the API server that can fail. Processes take it, where a Wire is for clients in the process of the test.
type Relay struct {
	listener net.Listener
	target   string
	fault    atomic.Int32
	accepted atomic.Int64

	mu    sync.Mutex
	pipes map[*pipe]struct{}
}

// pipe is one connection through a Relay.
type pipe struct {
	from, to net.Conn
	dead     atomic.Bool // swallows what it reads
}

// NewRelay starts a Relay to the API server. Close ends it.
func (c *ControlPlane) NewRelay(ctx context.Context) (*Relay, error) {
	target, err := url.Parse(c.apiServer)
	if err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return nil, err
	}
	r := &Relay{listener: listener, target: target.Host, pipes: map[*pipe]struct{}{}}
	go r.serve(ctx)

	return r, nil
}

// Kubeconfig writes a kubeconfig for a user whose way to the API server is the Relay.
func (r *Relay) Kubeconfig(c *ControlPlane, user string, groups ...string) (string, error) {
	path, err := c.Kubeconfig(user, groups...)
	if err != nil {
		return "", err
	}
	config, err := clientcmd.LoadFromFile(path)
	if err != nil {
		return "", err
	}
	for _, cluster := range config.Clusters {
		cluster.Server = "https://" + r.listener.Addr().String()
	}
	_, port, err := net.SplitHostPort(r.listener.Addr().String())
	if err != nil {
		return "", err
	}
	path = filepath.Join(c.folder, fmt.Sprintf("relay-%s-%s", port, filepath.Base(path)))

	return path, clientcmd.WriteToFile(*config, path)
}

// Accepted returns how many connections were made so far.
func (r *Relay) Accepted() int64 { return r.accepted.Load() }

// Set begins or ends a fault.
func (r *Relay) Set(fault Fault) {
	r.fault.Store(int32(fault))
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := range r.pipes {
		switch fault {
		case Breaks:
			p.close()
		case Swallows:
			p.dead.Store(true)
		case NoFault:
		}
	}
}

// Close ends the Relay and its connections.
func (r *Relay) Close() error {
	r.Set(Breaks)

	return r.listener.Close()
}

func (r *Relay) serve(ctx context.Context) {
	for {
		from, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.accepted.Add(1)
		if Fault(r.fault.Load()) == Breaks {
			_ = from.Close()

			continue
		}
		go r.pass(ctx, from)
	}
}

// pass passes a connection on until one side ends.
func (r *Relay) pass(ctx context.Context, from net.Conn) {
	to, err := new(net.Dialer).DialContext(ctx, "tcp", r.target)
	if err != nil {
		_ = from.Close()

		return
	}
	p := &pipe{from: from, to: to}
	r.mu.Lock()
	r.pipes[p] = struct{}{}
	switch Fault(r.fault.Load()) {
	case Swallows:
		p.dead.Store(true)
	case Breaks:
		p.close()
	case NoFault:
	}
	r.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.copy(to, from) })
	both.Go(func() { p.copy(from, to) })
	both.Wait()
	r.mu.Lock()
	delete(r.pipes, p)
	r.mu.Unlock()
}

func (p *pipe) copy(into io.Writer, from io.Reader) {
	defer p.close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if p.dead.Load() {
			continue
		}
		if _, err := into.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (p *pipe) close() {
	_ = p.from.Close()
	_ = p.to.Close()
}
