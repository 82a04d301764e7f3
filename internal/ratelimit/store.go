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

// dialTimeout bounds a connection attempt. No request waits that long: an attempt continues in the background, and a later
// request uses its connection. Otherwise no TLS handshake with a distant store could succeed.
const dialTimeout = time.Second

// bufferSize is the buffer size of a connection, in bytes. A command and its reply take less than 300, the script less than 4,000.
const bufferSize = 16 << 10

// store is a client of the servers that hold the buckets of all replicas.
type store struct {
	client  redis.UniversalClient
	script  string // its SHA-1
	timeout time.Duration
	target  *target
}

// take asks for requests of one key.
type take struct {
	uid   string
	limit access.Limit
	count int64
	taken float64 // requests that this replica knows to be taken already
}

// reply is what the store granted, or the reason why there is no answer.
type reply struct {
	granted, remaining int64
	wait, reset        time.Duration
	err                error
}

// openStore returns the store at a URL. The store connects at its first use.
func openStore(url string, timeout time.Duration) (*store, error) {
	t, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	o := &t.options
	// Each step has its own timeout, and the context bounds all of them together: see budget.
	o.ReadTimeout, o.WriteTimeout, o.ContextTimeoutEnabled = timeout, timeout, true
	o.DialTimeout, o.DialerRetries = dialTimeout, 1
	o.MaxRetries = -1 // none: a command that is sent twice would count twice
	// Each sender and each prober has its own connection, so none waits for another.
	o.PoolSize, o.PoolTimeout = t.partitions()*(t.senders()+1), timeout
	o.ReadBufferSize, o.WriteBufferSize = bufferSize, bufferSize
	// Shared needs commands and replies only: no pushes, no connections for pipelines alone, no commands at each connection.
	o.Protocol, o.PipelinePoolSize, o.DisableIdentity = 2, -1, true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	// The client has one global logger, which would write each failed attempt to stderr.
	logging.Disable()

	return &store{client: t.open(), script: redis.NewScript(takeScript).Hash(), timeout: timeout, target: t}, nil
}

// budget bounds a batch: the time to connect, to write and to read.
func (s *store) budget() time.Duration { return dialTimeout + 2*s.timeout }

// run sends a batch, in one round trip to each server that holds some of its keys.
func (s *store) run(ctx context.Context, batch []take) []reply {
	ctx, cancel := context.WithTimeout(ctx, s.budget())
	defer cancel()
	replies := make([]reply, len(batch))
	var unknown []int // the takes whose server does not have the script
	for i, r := range s.send(ctx, batch, false) {
		if redis.HasErrorPrefix(r.err, "NOSCRIPT") {
			unknown = append(unknown, i)
		}
		replies[i] = r
	}
	if unknown == nil {
		return replies
	}
	again := make([]take, 0, len(unknown))
	for _, i := range unknown {
		again = append(again, batch[i])
	}
	for i, r := range s.send(ctx, again, true) {
		replies[unknown[i]] = r
	}

	return replies
}

// send sends the commands of a batch, with the script or only its name, and returns when each has its reply or its error.
func (s *store) send(ctx context.Context, batch []take, withScript bool) []reply {
	commands := make([]*redis.Cmd, len(batch))
	if len(batch) == 1 { // as most batches are under little load
		commands[0] = s.command(ctx, s.client, &batch[0], withScript)

		return []reply{read(commands[0], nil)}
	}
	pipeline := s.client.Pipeline()
	for i := range batch {
		commands[i] = s.command(ctx, pipeline, &batch[i], withScript)
	}
	_, err := pipeline.Exec(ctx)
	replies := make([]reply, len(batch))
	for i, command := range commands {
		replies[i] = read(command, err)
	}

	return replies
}

// command executes the command for one key, or adds it to a pipeline.
func (s *store) command(ctx context.Context, to redis.Scripter, t *take, withScript bool) *redis.Cmd {
	limit, keys := clamped(t.limit), []string{keyPrefix + t.uid}
	if withScript {
		return to.Eval(ctx, takeScript, keys, limit.Requests, limit.Burst, limit.Per.Microseconds(), t.count, t.taken)
	}

	return to.EvalSha(ctx, s.script, keys, limit.Requests, limit.Burst, limit.Per.Microseconds(), t.count, t.taken)
}

// read reads the reply to one command of a pipeline that ended with this error. The command itself has no error if the server
// refused the connection, for example because of a wrong password.
func read(command *redis.Cmd, pipeline error) reply {
	numbers, err := command.Int64Slice()
	if err != nil && command.Err() == nil && command.Val() == nil && pipeline != nil {
		err = pipeline
	}
	if err == nil && len(numbers) != 4 {
		err = fmt.Errorf("the script returned %d numbers, want 4", len(numbers))
	}
	if err != nil {
		return reply{err: err}
	}

	return reply{granted: numbers[0], remaining: numbers[1], wait: microseconds(numbers[2]), reset: microseconds(numbers[3])}
}

// refresh makes the client of a cluster ask which server holds which slots.
func (s *store) refresh(ctx context.Context) {
	if cluster, ok := s.client.(*redis.ClusterClient); ok {
		cluster.ReloadState(ctx)
	}
}

// maxExplanation bounds an error in the log, in bytes.
const maxExplanation = 300

// explain returns the text of an error without secrets. A server may quote a part of the command that it refuses, so explain
// keeps nothing from the first quotation mark on.
func (s *store) explain(err error) string {
	text := err.Error()
	for _, secret := range s.target.secrets {
		text = strings.ReplaceAll(text, secret, "[redacted]")
	}
	if i := strings.IndexAny(text, "'\"`"); i >= 0 {
		text = text[:i] + "'[redacted]'"
	}
	if len(text) > maxExplanation {
		text = text[:maxExplanation] + "..."
	}

	return strings.ToValidUTF8(text, "?")
}

// microseconds converts a number of microseconds, and limits it to the durations from 0 to the maximum.
func microseconds(n int64) time.Duration {
	return time.Duration(clamp(n, 0, math.MaxInt64/int64(time.Microsecond))) * time.Microsecond
}
