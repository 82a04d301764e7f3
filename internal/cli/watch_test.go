// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"

	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/internal/cli"
)

// screen is a standard output that a test reads while a command writes it.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.text.String()
}

// TestListWatch prints a row whenever a selected key changes, until Ctrl-C.
func TestListWatch(t *testing.T) {
	p := newAdministrator(t, "watching")
	p.must("create", "first", "--environment", "Development")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var out, said screen
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Run(ctx, []string{"list", "--watch", "--kubeconfig", p.kubeconfig, "-n", p.namespace}, cli.Environment{
			In: strings.NewReader(""), Out: &out, Err: &said, Clock: clock.RealClock{},
		})
	}()
	appears := func(text string) {
		t.Helper()
		p.eventually("the screen shows "+text, func(context.Context) bool { return strings.Contains(out.String(), text) })
	}
	appears("first")
	p.must("create", "second", "--environment", "Development")
	appears("second")
	p.must("suspend", "first", "--yes")
	appears("Suspended")
	if n := strings.Count(out.String(), "ENVIRONMENT"); n != 1 {
		t.Errorf("the header is there %d times", n)
	}
	cancel(cli.InterruptError{Signal: 2})
	if code := <-ended; code != 130 || said.String() != "" {
		t.Errorf("after Ctrl-C: exit code %d, said %q", code, said.String())
	}
}
