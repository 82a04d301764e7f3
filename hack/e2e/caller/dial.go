// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"
)

const (
	// avoidFor is how long an address that did not answer is tried last, as in nginx (fail_timeout).
	avoidFor = 10 * time.Second
	// dialTimeout bounds one attempt to connect.
	dialTimeout = time.Second
)

// dialer connects to the addresses of a name in turn, those that did not answer last.
type dialer struct {
	mu      sync.Mutex
	next    int
	avoided map[string]time.Time
}

// dial connects to one of the addresses of a host.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	found, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return nil, err
	}
	var failures []error
	for _, ip := range d.order(found) {
		connection, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, net.JoinHostPort(ip, port))
		if err == nil {
			return connection, nil
		}
		d.avoid(ip)
		failures = append(failures, err)
	}

	return nil, errors.Join(failures...)
}

// order begins with another address each time.
func (d *dialer) order(ips []string) []string {
	slices.Sort(ips)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next++
	ordered := make([]string, 0, len(ips))
	for i := range ips {
		ordered = append(ordered, ips[(i+d.next)%len(ips)])
	}
	slices.SortStableFunc(ordered, func(a, b string) int { return d.avoided[a].Compare(d.avoided[b]) })

	return ordered
}

// avoid tries an address last for some time.
func (d *dialer) avoid(ip string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	for other, since := range d.avoided {
		if now.Sub(since) > avoidFor {
			delete(d.avoided, other)
		}
	}
	d.avoided[ip] = now
}
