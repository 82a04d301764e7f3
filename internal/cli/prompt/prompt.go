// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package prompt asks the person at a terminal.
package prompt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrDeclined tells that the answer was not "yes", or that the input ended.
var ErrDeclined = errors.New("not confirmed: nothing was changed")

// Prompter asks questions. Questions go to To, so that standard output holds results alone.
type Prompter struct {
	to    io.Writer
	lines chan string
	start func()
}

// New returns a Prompter that reads lines from in and writes questions to to. It reads nothing before the first question.
func New(in io.Reader, to io.Writer) *Prompter {
	p := &Prompter{to: to, lines: make(chan string)}
	p.start = func() {
		p.start = func() {}
		go p.read(bufio.NewReader(in))
	}

	return p
}

// read reads lines until the input ends. It has a goroutine of its own because a read from a terminal cannot be interrupted:
// when the person presses Ctrl-C, Ask returns and the read ends with the process.
func (p *Prompter) read(in *bufio.Reader) {
	defer close(p.lines)
	for {
		text, err := in.ReadString('\n')
		if err != nil && text == "" {
			return
		}
		p.lines <- strings.TrimSpace(text)
	}
}

// Ask asks a question and returns the answer, without spaces around it. When the context ends it returns the cause of that;
// when the input ends, ErrDeclined.
func (p *Prompter) Ask(ctx context.Context, question string) (string, error) {
	if _, err := fmt.Fprint(p.to, question+" "); err != nil {
		return "", err
	}
	p.start()
	select {
	case <-ctx.Done():
		_, _ = fmt.Fprintln(p.to)

		return "", context.Cause(ctx)
	case answer, open := <-p.lines:
		if !open {
			_, _ = fmt.Fprintln(p.to)

			return "", ErrDeclined
		}

		return answer, nil
	}
}

// Confirm asks a question that only "y" and "yes" affirm.
func (p *Prompter) Confirm(ctx context.Context, question string) error {
	answer, err := p.Ask(ctx, question+" [y/N]")
	if err != nil {
		return err
	}
	switch strings.ToLower(answer) {
	case "y", "yes":
		return nil
	default:
		return ErrDeclined
	}
}

// Choose asks until accept takes the answer. The error of accept tells the person why not. An empty answer means the default.
func (p *Prompter) Choose(ctx context.Context, question, fallback string, accept func(answer string) error) error {
	for {
		answer, err := p.Ask(ctx, fmt.Sprintf("%s [%s]:", question, fallback))
		if err != nil {
			return err
		}
		if answer == "" {
			answer = fallback
		}
		wrong := accept(answer)
		if wrong == nil {
			return nil
		}
		if _, err := fmt.Fprintln(p.to, "  "+wrong.Error()); err != nil {
			return err
		}
	}
}
