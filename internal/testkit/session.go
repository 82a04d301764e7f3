// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	// sessionLimit is how long a program may take to say something, or to end: the grace of each of its children, and a busy machine.
	sessionLimit = 5 * time.Minute
	// sessionPoll is how often it is looked for what a program has said.
	sessionPoll = 10 * time.Millisecond
)

// Session is a program that runs with a temporary folder of its own, for tests of what it leaves behind.
type Session struct {
	// Folder is its TMPDIR.
	Folder string

	t    testing.TB
	cmd  *exec.Cmd
	mu   sync.Mutex
	said bytes.Buffer
}

// StartSession starts a program in the root of the module, with more of an environment.
func StartSession(t testing.TB, path string, args []string, environment ...string) *Session {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	s := &Session{Folder: t.TempDir(), t: t, cmd: exec.CommandContext(context.Background(), path, args...)}
	s.cmd.Dir = root
	s.cmd.Env = append(append(os.Environ(), "TMPDIR="+s.Folder), environment...)
	s.cmd.Stdout, s.cmd.Stderr = s, s
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}

	return s
}

// Write takes what the program prints.
func (s *Session) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.said.Write(p)
}

// Said is what the program has printed so far.
func (s *Session) Said() string {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.said.String()
}

// Until waits until the program has printed a text.
func (s *Session) Until(text string) {
	s.t.Helper()
	err := wait.PollUntilContextTimeout(s.t.Context(), sessionPoll, sessionLimit, true, func(context.Context) (bool, error) {
		return strings.Contains(s.Said(), text), nil
	})
	if err != nil {
		s.t.Fatalf("it does not say %q: %v; it said\n%s", text, err, s.Said())
	}
}

// Signal sends a signal to the program.
func (s *Session) Signal(signal os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.t.Fatalf("%v; it said\n%s", err, s.Said())
	}
}

// Processes are the numbers of the running processes with this program name, or any for an empty one, whose arguments name
// the folder. Every program that is started has a file in the folder among its arguments.
func (s *Session) Processes(program string) []int {
	s.t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(files) == 0 {
		s.t.Skip("this system has no /proc, so the test cannot see what is left")
	}
	var found []int
	for _, file := range files {
		line, err := os.ReadFile(file)
		name, arguments, _ := bytes.Cut(line, []byte{0})
		number, notNumber := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil || notNumber != nil || !bytes.Contains(arguments, []byte(s.Folder)) {
			continue // among them those that have just ended
		}
		if program == "" || filepath.Base(string(name)) == program {
			found = append(found, number)
		}
	}

	return found
}

// End waits until the program has ended, and checks its exit code and that it has left no file and no process.
func (s *Session) End(code int) {
	s.t.Helper()
	stuck := time.AfterFunc(sessionLimit, func() { _ = s.cmd.Process.Signal(syscall.SIGQUIT) }) // a Go program prints what it waits for
	defer stuck.Stop()
	_ = s.cmd.Wait()
	if got := s.cmd.ProcessState.ExitCode(); got != code {
		s.t.Errorf("exit code %d, want %d; it said\n%s", got, code, s.Said())
	}
	if files, err := filepath.Glob(filepath.Join(s.Folder, "*")); err != nil || len(files) > 0 {
		s.t.Errorf("%v is left, %v", files, err)
	}
	if left := s.Processes(""); len(left) > 0 {
		s.t.Errorf("the processes %v are left", left)
	}
}
