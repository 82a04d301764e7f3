// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

const (
	// startTimeout is how long a program may take until it is ready, also with many keys.
	startTimeout = 2 * time.Minute
	// stopGrace is how long it may take to end before it is killed.
	stopGrace = 20 * time.Second
	// readyPoll is how often it is asked whether it is ready.
	readyPoll = 50 * time.Millisecond
	// tailLines is how many of its last log lines are shown when something went wrong.
	tailLines = 20
	// tailWidth is how many characters of each: stack traces are long.
	tailWidth = 500
)

// invocation is how a program under test is started.
type invocation struct {
	// name is what messages call the program.
	name string
	// path is where the program is, and target the make target that builds it.
	path, target string
	// ports is how many free addresses it needs beside those for metrics and probes.
	ports int
	// addresses are used instead of free ones, if there are any.
	addresses []string
	// args are its arguments, given those addresses.
	args func(addresses []string) []string
}

// program is a program under test, as a child process. Each has /metrics, and /readyz.
type program struct {
	*process.Process

	name    string
	logPath string
	metrics string
	ready   string
	// addresses are those that the invocation asked for.
	addresses []string
}

// withProgram starts a program, waits until it is ready, calls do and stops the program.
// The context of do ends when the program does. An error shows the program's last log lines.
func (c *cluster) withProgram(ctx context.Context, how invocation, do func(context.Context, *program) error) error {
	p, err := c.startProgram(ctx, how)
	if err != nil {
		return err
	}

	return c.during(ctx, p, p.awaitReady, do)
}

// during waits until a program that was started is ready, calls do and stops the program.
func (c *cluster) during(
	ctx context.Context, p *program, awaitReady func(context.Context) error, do func(context.Context, *program) error,
) error {
	alive, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-p.Ended():
			cancel(fmt.Errorf("the %s ended by itself: %w", p.name, p.Result()))
		case <-alive.Done():
		}
	}()

	err := awaitReady(alive)
	if err == nil {
		err = do(alive, p)
	}
	if err != nil {
		err = fmt.Errorf("%w\nlast log lines of the %s:\n%s", err, p.name, p.tail())
	}
	cancel(nil)
	p.Stop(c.hurry, stopGrace)

	return err
}

// startProgram starts a program.
func (c *cluster) startProgram(ctx context.Context, how invocation) (*program, error) {
	addresses, err := freePorts(ctx, 2+how.ports)
	if err != nil {
		return nil, err
	}
	p := &program{
		name:      how.name,
		metrics:   "http://" + addresses[0] + "/metrics",
		ready:     "http://" + addresses[1] + "/readyz",
		addresses: append(addresses[2:], how.addresses...),
	}
	args := append(how.args(p.addresses), "--metrics-bind-address="+addresses[0], "--health-probe-bind-address="+addresses[1])

	return p, c.launch(p, how.path, how.target, args, nil)
}

// launch starts the process of a program, with more variables in its environment. What it logs goes into the folder of the control plane.
func (c *cluster) launch(p *program, path, target string, args, environment []string) (err error) {
	p.logPath = filepath.Join(c.plane.Folder(), p.name+".log")
	cmd := exec.Command(path, args...) //nolint:noctx // Stop ends it with a grace period; a context would kill it.
	cmd.Env = append(os.Environ(), environment...)
	if p.Process, err = process.StartLogged(cmd, p.logPath); err != nil {
		return fmt.Errorf("%w (run `make %s`, which builds it)", err, target)
	}

	return nil
}

// freePorts finds loopback addresses that nobody listens on.
func freePorts(ctx context.Context, n int) ([]string, error) {
	addresses, listeners := make([]string, n), make([]net.Listener, n)
	for i := range n {
		var err error
		if listeners[i], err = new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		addresses[i] = listeners[i].Addr().String()
	}
	for _, listener := range listeners { // only now, so that the ports differ
		if err := listener.Close(); err != nil {
			return nil, fmt.Errorf("free a port: %w", err)
		}
	}

	return addresses, nil
}

// awaitReady waits until /readyz says so.
func (p *program) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("not ready after %s", startTimeout))
	defer cancel()
	for {
		body, err := get(ctx, http.DefaultClient, p.ready)
		if err == nil {
			return body.Close()
		}
		if err := pause(ctx, readyPoll); err != nil {
			return fmt.Errorf("start the %s: %w", p.name, err)
		}
	}
}

// tail is the last lines of the program's log.
func (p *program) tail() string {
	data, err := os.ReadFile(p.logPath)
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimRight(data, "\n"), []byte("\n"))
	lines = lines[max(0, len(lines)-tailLines):]
	for i, line := range lines {
		lines[i] = line[:min(len(line), tailWidth)]
	}

	return string(bytes.Join(lines, []byte("\n")))
}

// cpu is the processor time that the program has taken so far.
func (p *program) cpu(ctx context.Context) (time.Duration, error) {
	families, err := p.families(ctx)

	return cpuTime(families), err
}

// families are the program's own metrics.
func (p *program) families(ctx context.Context) (map[string]*dto.MetricFamily, error) {
	body, err := get(ctx, http.DefaultClient, p.metrics)
	if err != nil {
		return nil, fmt.Errorf("read the metrics of the %s: %w", p.name, err)
	}
	families, err := parseMetrics(body)

	return families, errors.Join(err, body.Close())
}
