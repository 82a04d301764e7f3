// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"time"

	"github.com/apikey-operator/apikey-operator/hack/soak/oracle"
	"github.com/apikey-operator/apikey-operator/hack/soak/schedule"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

const (
	// restartDelay is after how long a process is started again that has ended by itself, such as an operator that has lost the lease.
	restartDelay = 300 * time.Millisecond
	// readyPoll is how often a process that starts is asked whether it is ready.
	readyPoll = 50 * time.Millisecond
	// probeTimeout is how long a process may take to answer whether it is ready.
	probeTimeout = time.Second
	// stopGrace is how long a program may take to end before it is killed.
	stopGrace = 20 * time.Second
)

// replica is an operator or a verifier, which is started again whenever it ends.
type replica struct {
	target       schedule.Target
	path, folder string
	args         []string
	probe        string
	relay        *testkit.Relay
	oracle       *oracle.Oracle
	tally        *tally
	hurry        <-chan struct{}

	mu      sync.Mutex
	program *process.Program // nil: it does not run
	delay   time.Duration    // until the next start
	ready   bool
}

// supervise runs the replica until ctx ends. Then it ends the process.
func (r *replica) supervise(ctx context.Context) error {
	for n := 1; ctx.Err() == nil; n++ {
		//nolint:noctx // Stop ends it with a grace period; a context would kill it.
		cmd := exec.Command(r.path, r.args...)
		log := filepath.Join(r.folder, fmt.Sprintf("%s.%d.log", r.target, n))
		p, err := process.StartProgram(string(r.target), log, cmd)
		if err != nil {
			return fmt.Errorf("%w (run `make build`, which builds it)", err)
		}
		r.begin(p, n > 1)
		awaiting, cancel := context.WithCancel(ctx)
		go r.awaitReady(awaiting, p)
		select {
		case <-p.Ended():
		case <-ctx.Done():
			p.Stop(r.hurry, stopGrace)
		}
		cancel()
		pause(ctx, r.ended(ctx, log))
	}

	return nil
}

// begin notes that a process has been started.
func (r *replica) begin(p *process.Program, again bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.program, r.delay, r.ready = p, restartDelay, false
	if again {
		r.tally.faultEnded(r.target, time.Now())
	}
}

// ended notes that the process has ended, and returns when to start the next.
func (r *replica) ended(ctx context.Context, log string) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.oracle.Ready(now, r.target, false)
	killed := r.program == nil
	r.program = nil
	if ctx.Err() == nil && !killed {
		r.tally.endedByItself(r.target)
		if text, err := os.ReadFile(log); err == nil && regexp.MustCompile(`(?m)^(panic: |fatal error: |WARNING: DATA RACE)`).Match(text) {
			r.oracle.Report(now, oracle.Crashed, "%s has crashed: see the end of its log\n%s", r.target, tail(text))
		}
	}

	return r.delay
}

// tail returns the end of a text, without keys.
func tail(text []byte) string {
	const length = 3000

	return keyShape().ReplaceAllString(string(text[max(0, len(text)-length):]), "[a key]")
}

// awaitReady tells the oracle when a process is ready.
func (r *replica) awaitReady(ctx context.Context, p *process.Program) {
	probe := &http.Client{Timeout: probeTimeout}
	for {
		if err := testkit.Get(ctx, probe, r.probe); err == nil {
			break
		}
		if !pause(ctx, readyPoll) {
			return
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.program == p {
		r.ready = true
		r.oracle.Ready(time.Now(), r.target, true)
	}
}

// isReady reports whether the process is ready.
func (r *replica) isReady() bool {
	r.mu.Lock()
	defer r.mu.Unlock()

	return r.program != nil && r.ready
}

// kill kills the process, which is started again after a delay.
func (r *replica) kill(delay time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.program == nil {
		return false
	}
	r.oracle.Ready(time.Now(), r.target, false)
	p := r.program
	r.program, r.delay = nil, delay

	return p.Signal(syscall.SIGKILL) == nil
}

// signal sends a signal to the process, if it is the same as before; nil: any. It tells the oracle on the side on which the process runs.
func (r *replica) signal(same *process.Program, signal syscall.Signal, stopped bool) *process.Program {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.program
	if p == nil || same != nil && p != same {
		return nil
	}
	if stopped {
		r.oracle.Stopped(time.Now(), r.target, true)
	}
	err := p.Signal(signal)
	if !stopped || err != nil {
		r.oracle.Stopped(time.Now(), r.target, false)
	}
	if err != nil {
		return nil
	}

	return p
}
