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
	"strconv"
	"syscall"
	"time"

	dto "github.com/prometheus/client_model/go"
)

const (
	// startTimeout is how long the operator may take until it is ready, also with many keys.
	startTimeout = 2 * time.Minute
	// stopTimeout is how long it may take to end before it is killed.
	stopTimeout = 20 * time.Second
	// readyPoll is how often it is asked whether it is ready.
	readyPoll = 50 * time.Millisecond
	// tailLines is how many of its last log lines are shown when something went wrong.
	tailLines = 20
	// tailWidth is how many characters of each: stack traces are long.
	tailWidth = 500
)

// launch is how the operator is started.
type launch struct {
	// program is the path of the manager.
	program string
	// workers is how many APIKeys it reconciles at once.
	workers int
}

// operator is the program under test, as a child process.
type operator struct {
	cmd     *exec.Cmd
	logPath string
	metrics string
	ready   string
	// ended is closed when the process is gone; only then is exit valid.
	ended chan struct{}
	exit  error
}

// withOperator starts the operator, waits until it is ready, calls do and stops the operator.
// The context of do ends when the operator does. An error shows the operator's last log lines.
func (c *cluster) withOperator(ctx context.Context, how launch, do func(context.Context, *operator) error) error {
	o, err := c.startOperator(ctx, how)
	if err != nil {
		return err
	}
	alive, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-o.ended:
			cancel(fmt.Errorf("the operator ended by itself: %w", o.exit))
		case <-alive.Done():
		}
	}()

	err = o.awaitReady(alive)
	if err == nil {
		err = do(alive, o)
	}
	if err != nil {
		err = fmt.Errorf("%w\nlast log lines of the operator:\n%s", err, o.tail())
	}
	cancel(nil)
	o.stop()

	return err
}

// startOperator starts the operator as an administrator: what it may do is not measured here.
func (c *cluster) startOperator(ctx context.Context, how launch) (*operator, error) {
	kubeconfig, err := c.plane.Kubeconfig("bench", "system:masters")
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(ctx, 2)
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(c.plane.Folder(), "operator.log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the child keeps its own copy of the descriptor

	o := &operator{
		logPath: log.Name(),
		metrics: "http://" + ports[0] + "/metrics",
		ready:   "http://" + ports[1] + "/readyz",
		ended:   make(chan struct{}),
	}
	//nolint:noctx // stop ends it with a grace period; a context would kill it.
	o.cmd = exec.Command(how.program,
		"--kubeconfig="+kubeconfig, "--leader-elect=false", "--concurrent-reconciles="+strconv.Itoa(how.workers),
		"--metrics-bind-address="+ports[0], "--metrics-secure=false", "--health-probe-bind-address="+ports[1])
	o.cmd.Stdout, o.cmd.Stderr = log, log
	o.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C at the terminal is ours to handle, in order
	if err := o.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the operator (run `make bench-mint`, which builds it): %w", err)
	}
	go func() {
		o.exit = o.cmd.Wait()
		close(o.ended)
	}()

	return o, nil
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
func (o *operator) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("not ready after %s", startTimeout))
	defer cancel()
	for {
		body, err := get(ctx, http.DefaultClient, o.ready)
		if err == nil {
			return body.Close()
		}
		if err := pause(ctx, readyPoll); err != nil {
			return fmt.Errorf("start the operator: %w", err)
		}
	}
}

// stop asks the operator to end and kills it when it does not.
func (o *operator) stop() {
	_ = o.cmd.Process.Signal(syscall.SIGTERM) // fails only when it is gone already
	kill := time.AfterFunc(stopTimeout, func() { _ = o.cmd.Process.Kill() })
	defer kill.Stop()
	<-o.ended
}

// tail is the last lines of the operator's log.
func (o *operator) tail() string {
	data, err := os.ReadFile(o.logPath)
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

// cpu is the processor time that the operator has taken so far.
func (o *operator) cpu(ctx context.Context) (time.Duration, error) {
	families, err := o.families(ctx)

	return cpuTime(families), err
}

// families are the operator's own metrics.
func (o *operator) families(ctx context.Context) (map[string]*dto.MetricFamily, error) {
	body, err := get(ctx, http.DefaultClient, o.metrics)
	if err != nil {
		return nil, fmt.Errorf("read the operator's metrics: %w", err)
	}
	families, err := parseMetrics(body)

	return families, errors.Join(err, body.Close())
}
