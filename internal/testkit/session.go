// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"bytes"
	"context"
	"errors"
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
	// sessionLimit is how long a program may take to print a text, or to end: its children have their grace, and the machine may be busy.
	sessionLimit = 5 * time.Minute
	// sessionPoll is how often the output of a program is searched.
	sessionPoll = 10 * time.Millisecond
)

// Session is a program that runs with a temporary folder of its own, for tests of what it leaves behind.
type Session struct {
	// Folder is its TMPDIR.
	Folder string

	t     testing.TB
	cmd   *exec.Cmd
	ended chan struct{} // closed when the program has ended and its output is complete
	mu    sync.Mutex
	said  bytes.Buffer
}

// StartSession starts a program in the root of the module, with more of an environment.
func StartSession(t testing.TB, path string, args []string, environment ...string) *Session {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	s := &Session{
		Folder: t.TempDir(), t: t, cmd: exec.CommandContext(context.Background(), path, args...), ended: make(chan struct{}),
	}
	s.cmd.Dir = root
	s.cmd.Env = append(append(os.Environ(), "TMPDIR="+s.Folder), environment...)
	s.cmd.Stdout, s.cmd.Stderr = s, s
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.ended)
		_ = s.cmd.Wait() // End reads the exit code
	}()

	return s
}

// Build builds a program of the module from its package, with the flags of make: the race detector, as tests may run, would multiply the
// time and the memory that it needs, and other flags would compile all that it imports once more. The path of the program is absolute or
// begins at the root of the module, as "bin/manager" does. There nothing is built that is up to date.
func Build(t testing.TB, program, folder string) {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags", "-s -w", "-o", program, folder)
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", program, err, out)
	}
}

// Write appends output of the program.
func (s *Session) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.said.Write(p)
}

// Said returns the output of the program so far.
func (s *Session) Said() string {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.said.String()
}

// Interruption is a signal to a program at some point of its work.
type Interruption struct {
	// After is a text that the program prints at that point.
	After  string
	Signal syscall.Signal
	// Again adds a Ctrl-C right after the program has acknowledged the first signal.
	Again bool
	// Code is the exit code that the program must end with.
	Code int
}

// Interrupt interrupts the program, and checks what End checks.
func (s *Session) Interrupt(i Interruption) {
	s.t.Helper()
	s.Until(i.After)
	s.Signal(i.Signal)
	if i.Again {
		s.Until("Ending everything")
		s.Signal(os.Interrupt)
	}
	s.End(i.Code)
}

// Until waits until the program has printed a text. It fails the test if the program ends without it.
func (s *Session) Until(text string) {
	s.t.Helper()
	err := wait.PollUntilContextTimeout(s.t.Context(), sessionPoll, sessionLimit, true, func(context.Context) (bool, error) {
		select {
		case <-s.ended:
			if !strings.Contains(s.Said(), text) {
				return false, errors.New("it has ended")
			}
		default:
		}

		return strings.Contains(s.Said(), text), nil
	})
	if err != nil {
		s.t.Fatalf("it has not printed %q: %v; it printed\n%s", text, err, s.Said())
	}
}

// Signal sends a signal to the program.
func (s *Session) Signal(signal os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.t.Fatalf("%v; it printed\n%s", err, s.Said())
	}
}

// Processes returns the numbers of the running processes with this program name, or any for an empty one, whose arguments name
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
	<-s.ended
	if got := s.cmd.ProcessState.ExitCode(); got != code {
		s.t.Errorf("exit code %d, want %d; it printed\n%s", got, code, s.Said())
	}
	if files, err := filepath.Glob(filepath.Join(s.Folder, "*")); err != nil || len(files) > 0 {
		s.t.Errorf("%v is left, %v", files, err)
	}
	if left := s.Processes(""); len(left) > 0 {
		s.t.Errorf("the processes %v are left", left)
	}
}
