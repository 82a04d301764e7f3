// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

// logLines is how many lines of its log are shown of a program that failed.
const logLines = 25

// program is a child process with its output in a file.
type program struct {
	name string
	log  string
	// grace is how long it may take to end before it is killed.
	grace time.Duration

	*process.Process
}

// start starts the process.
func (p *program) start(path string, args ...string) (err error) {
	//nolint:noctx // stop ends it with a grace period; a context would kill it.
	p.Process, err = process.StartLogged(exec.Command(path, args...), p.log)

	return err
}

// stop asks the process to end, and kills it when its grace period is over or hurry is closed.
func (p *program) stop(hurry <-chan struct{}) { p.Stop(hurry, p.grace) }

// whileRunning returns a context that ends when parent ends or the process does, with that as its cause.
func (p *program) whileRunning(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	go func() {
		select {
		case <-p.Ended():
			cancel(p.death())
		case <-ctx.Done():
		}
	}()

	return ctx, func() { cancel(nil) }
}

// death says how the process ended.
func (p *program) death() error {
	how := "exit status 0"
	if p.Result() != nil {
		how = p.Result().Error()
	}

	return fmt.Errorf("the %s has ended by itself (%s)", p.name, how)
}

// explain adds the end of the log to an error, except where someone only asked to stop.
func (p *program) explain(err error) error {
	if errors.As(err, new(process.SignalError)) {
		return err
	}
	log, readErr := os.ReadFile(p.log)
	if readErr != nil {
		return errors.Join(err, readErr)
	}

	return fmt.Errorf("%w\n\nThe last lines of the log of the %s:\n%s", err, p.name, lastLines(log, logLines))
}

// lastLines returns the end of a text, each line indented.
func lastLines(text []byte, count int) string {
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return "  (empty)"
	}
	lines := strings.Split(string(text), "\n")
	lines = lines[max(0, len(lines)-count):]

	return "  " + strings.Join(lines, "\n  ")
}
