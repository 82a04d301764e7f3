// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit

import (
	"context"
	_ "embed" // of take.lua
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/apikey-operator/apikey-operator/internal/access"
)

//go:embed take.lua
var takeScript string

// keyPrefix begins the name of every bucket in the store; the uid of the APIKey follows.
const keyPrefix = "apikey-operator:ratelimit:"

// dialTimeout bounds a connection attempt. No request waits that long: attempts go on in the background, and a later
// request uses what has come of them. That is what lets TLS to a far store begin at all.
const dialTimeout = time.Second

// bufferSize is that of each connection, in bytes: a request and its reply are below 300, the script below 3,000.
const bufferSize = 4 << 10

// store is the server that holds the buckets of all replicas.
type store struct {
	client   *redis.Client
	script   *redis.Script
	timeout  time.Duration
	address  string // where it listens, without user and password
	password string
}

// openStore makes a store from its URL. It connects when it is asked for the first time.
func openStore(url string, timeout time.Duration) (*store, error) {
	o, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	o.ContextTimeoutEnabled = true // what is left of the time, not a new one for each step
	o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = timeout, timeout, timeout
	o.DialTimeout, o.DialerRetries = dialTimeout, 1
	o.MaxRetries = -1 // none: there is something better to do with the time
	o.ReadBufferSize, o.WriteBufferSize = bufferSize, bufferSize
	// One command and its reply is all that is needed: no pushes, no pipelines, nothing to say at each connection.
	o.Protocol, o.PipelinePoolSize, o.DisableIdentity = 2, -1, true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	// The client has one logger for the whole program, which writes each failed attempt to stderr, past ours.
	logging.Disable()

	return &store{
		client: redis.NewClient(o), script: redis.NewScript(takeScript), timeout: timeout,
		address: o.Addr, password: o.Password,
	}, nil
}

// take takes one request out of the key's bucket. It answers within the time-out.
func (s *store) take(ctx context.Context, uid string, limit access.Limit) (access.Quota, error) {
	// A caller that goes away must not look like a store that does not answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
	defer cancel()
	requests, burst, per := limitsOf(limit)
	reply, err := s.script.Run(ctx, s.client, []string{keyPrefix + uid}, requests, burst, per.Microseconds()).Int64Slice()
	if err != nil {
		return access.Quota{}, err
	}
	if len(reply) != 4 {
		return access.Quota{}, fmt.Errorf("the script returned %d numbers, want 4", len(reply))
	}

	return access.Quota{
		Granted: reply[0] == 1, Remaining: reply[1], RetryAfter: microseconds(reply[2]), Reset: microseconds(reply[3]),
	}, nil
}

// explain is the text of an error, without the password: a server may quote the command that it refuses.
func (s *store) explain(err error) string {
	if s.password == "" {
		return err.Error()
	}

	return strings.ReplaceAll(err.Error(), s.password, "[redacted]")
}

// microseconds is a duration from 0 up to the longest that there is.
func microseconds(n int64) time.Duration {
	return time.Duration(clamp(n, 0, math.MaxInt64/int64(time.Microsecond))) * time.Microsecond
}
