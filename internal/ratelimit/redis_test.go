// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit_test

import (
	"bufio"
	"context"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// password is that of every server here. Its special characters are percent-encoded in a URL and not in an error.
const password = "open/sesame:%&" //nolint:gosec // of servers that live as long as a test

// server is a real Valkey or Redis on a socket, with nothing on disk.
type server struct {
	t       testing.TB
	program string
	socket  string
	flags   []string
	process *exec.Cmd
	// admin is a connection that no test counts.
	admin *redis.Client
}

// startServer starts a server that lives as long as the test.
func startServer(t testing.TB, flags ...string) *server {
	t.Helper()
	s := &server{t: t, program: testkit.FindProgram(t, "redis-server", "valkey-server", "redis-server"), socket: filepath.Join(t.TempDir(), "s"), flags: flags}
	s.admin = redis.NewClient(&redis.Options{Network: "unix", Addr: s.socket, Password: password, DialerRetries: 1})
	s.start()
	t.Cleanup(func() {
		s.kill()
		_ = s.admin.Close() // the server is gone
	})

	return s
}

// start starts the server, and returns when it accepts connections.
func (s *server) start() {
	s.t.Helper()
	args := append([]string{"--port", "0", "--unixsocket", s.socket, "--save", "", "--appendonly", "no", "--requirepass", password, "--masterauth", password,
		"--dir", filepath.Dir(s.socket)}, s.flags...)
	s.process = exec.Command(s.program, args...) //nolint:noctx // kill ends it
	output, err := s.process.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	var log strings.Builder
	for lines := bufio.NewScanner(output); lines.Scan(); {
		log.WriteString(lines.Text() + "\n")
		if strings.Contains(strings.ToLower(lines.Text()), "ready to accept connections") {
			go func() { // or the server would stop when the pipe is full
				for lines.Scan() {
					continue
				}
			}()

			return
		}
	}
	s.t.Fatalf("%s has ended before it was ready:\n%s", s.program, log.String())
}

// kill ends the server without a farewell.
func (s *server) kill() {
	_ = s.process.Process.Kill() // it may have ended already
	_ = s.process.Wait()         // killed
}

// signal sends the server a signal.
func (s *server) signal(signal syscall.Signal) {
	s.t.Helper()
	if err := s.process.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
}

// do runs a command on the server.
func (s *server) do(command ...any) any {
	s.t.Helper()
	reply, err := s.admin.Do(context.Background(), command...).Result()
	if err != nil {
		s.t.Fatalf("%v: %v", command, err)
	}

	return reply
}

// now is the time by the clock of the server, in microseconds.
func (s *server) now() int64 {
	s.t.Helper()
	now, err := s.admin.Time(context.Background()).Result()
	if err != nil {
		s.t.Fatal(err)
	}

	return now.UnixMicro()
}

// url is that of the server.
func (s *server) url() string {
	return (&url.URL{Scheme: "unix", User: url.UserPassword("", password), Path: s.socket}).String()
}

// eventually waits for something that another program does at a time of its own.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	for !happened() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("after a minute: not %s", what)
		}
	}
}
