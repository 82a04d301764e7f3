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
	"syscall"
	"time"
)

// logLines is how many lines of its log are shown of a program that failed.
const logLines = 25

// program is a child process with its output in a file.
type program struct {
	name string
	log  string
	// grace is how long it may take to end before it is killed.
	grace time.Duration

	cmd    *exec.Cmd
	ended  chan struct{} // closed when the process has ended
	result error         // how it ended; to be read after ended is closed
}

// start starts the process.
func (p *program) start(path string, args ...string) error {
	log, err := os.Create(p.log)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the child keeps its own copy of the descriptor

	//nolint:noctx // stop ends it with a grace period; a context would kill it.
	p.cmd = exec.Command(path, args...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = ownGroup()
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	p.ended = make(chan struct{})
	go func() {
		defer close(p.ended)
		p.result = p.cmd.Wait()
	}()

	return nil
}

// ownGroup keeps a Ctrl-C at the terminal away from a child: the terminal sends it to the whole group of this
// program, and the children must end one after the other, the API server after those that use it.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// stop asks the process to end and kills it if it does not within its grace period.
func (p *program) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	kill := time.AfterFunc(p.grace, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	<-p.ended
}

// whileRunning returns a context that ends when parent ends or the process does, with that as its cause.
func (p *program) whileRunning(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	go func() {
		select {
		case <-p.ended:
			cancel(p.death())
		case <-ctx.Done():
		}
	}()

	return ctx, func() { cancel(nil) }
}

// death says how the process ended.
func (p *program) death() error {
	how := "exit status 0"
	if p.result != nil {
		how = p.result.Error()
	}

	return fmt.Errorf("the %s has ended by itself (%s)", p.name, how)
}

// explain adds the end of the log to an error, except where someone only asked to stop.
func (p *program) explain(err error) error {
	if errors.As(err, new(interruption)) {
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
