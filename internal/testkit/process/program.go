// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	// readyPoll is how often a program that starts is asked whether it is ready.
	readyPoll = 50 * time.Millisecond
	// tailLines and tailWidth bound what Explain shows of a log. Stack traces have long lines.
	tailLines = 25
	tailWidth = 500
)

// Program is a child process whose output goes to a file.
type Program struct {
	*Process

	// Name is what messages call the program.
	Name string
	// Log is the path of the file.
	Log string
}

// StartProgram starts a command whose output goes to a new file.
func StartProgram(name, log string, cmd *exec.Cmd) (*Program, error) {
	p, err := StartLogged(cmd, log)

	return &Program{Process: p, Name: name, Log: log}, err
}

// WhileRunning returns a context that ends when parent ends or when the program does. In the second case the cause says how it ended.
func (p *Program) WhileRunning(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	go func() {
		select {
		case <-p.Ended():
			how := "exit status 0"
			if p.Result() != nil {
				how = p.Result().Error()
			}
			cancel(fmt.Errorf("the %s has ended by itself (%s)", p.Name, how))
		case <-ctx.Done():
		}
	}()

	return ctx, func() { cancel(nil) }
}

// AwaitReady calls ready until it returns nil. It gives up after limit, and when ctx or the program ends.
func (p *Program) AwaitReady(ctx context.Context, limit time.Duration, ready func(context.Context) error) error {
	ctx, cancel := p.WhileRunning(ctx)
	defer cancel()
	ctx, cancelLimit := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the %s was not ready after %s", p.Name, limit))
	defer cancelLimit()
	last := errors.New("no answer")
	err := wait.PollUntilContextCancel(ctx, readyPoll, true, func(ctx context.Context) (bool, error) {
		err := ready(ctx)
		if ctx.Err() == nil { // a question that was cut short says less than the answer before it
			last = err
		}

		return err == nil, nil
	})
	if err != nil {
		return fmt.Errorf("%w: %w", context.Cause(ctx), last)
	}

	return nil
}

// Explain adds the end of the log to an error, except where a signal has ended the work: such an end needs no explanation.
func (p *Program) Explain(err error) error {
	if errors.As(err, new(SignalError)) {
		return err
	}
	log, readErr := os.ReadFile(p.Log)
	if readErr != nil {
		return errors.Join(err, readErr)
	}

	return fmt.Errorf("%w\n\nThe last lines of the log of the %s:\n%s", err, p.Name, lastLines(log, tailLines))
}

// lastLines returns the end of a text, each line indented and cut at tailWidth.
func lastLines(text []byte, count int) string {
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return "  (empty)"
	}
	lines := strings.Split(string(text), "\n")
	lines = lines[max(0, len(lines)-count):]
	for i, line := range lines {
		lines[i] = "  " + line[:min(len(line), tailWidth)]
	}

	return strings.Join(lines, "\n")
}
