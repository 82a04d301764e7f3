// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package process_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

// limit is how long an end may take on a loaded machine.
const limit = time.Minute

// family starts a script, which prints the process id of a child of its own, and returns both.
func family(t *testing.T, script string) (leader *process.Process, child int) {
	t.Helper()
	read, write := pipe(t)
	cmd := exec.Command("/bin/sh", "-c", script) //nolint:noctx // the test stops it
	cmd.Stdout = write
	leader, err := process.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { leader.Stop(process.AtOnce(), 0) })
	line, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	child, err = strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}

	return leader, child
}

// pipe returns both ends of a pipe of the system, which a child holds open.
func pipe(t *testing.T) (read, write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = read.Close(), write.Close() })

	return read, write
}

// gone waits until there is no such process. A zombie counts as gone.
func gone(t *testing.T, pid int) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 5*time.Millisecond, limit, true, func(context.Context) (bool, error) {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return true, nil
		}
		state, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")

		return err == nil && strings.Contains(string(state), ") Z "), nil
	})
	if err != nil {
		t.Errorf("process %d is still there: %v", pid, err)
	}
}

func TestStop(t *testing.T) {
	const child = "sleep 600 & echo $!; "
	for name, c := range map[string]struct {
		script string
		hurry  <-chan struct{}
		grace  time.Duration
		signal syscall.Signal
	}{
		"a process that ends when asked is not killed": {"trap 'exit 0' TERM; " + child + "wait", nil, limit, 0},
		"a process without a handler ends by SIGTERM":  {child + "wait", nil, limit, syscall.SIGTERM},
		"a deaf process is killed after its grace":     {"trap '' TERM; " + child + "wait", nil, time.Millisecond, syscall.SIGKILL},
		"a deaf process is killed at once in a hurry":  {"trap '' TERM; " + child + "wait", process.AtOnce(), limit, syscall.SIGKILL},
	} {
		t.Run(name, func(t *testing.T) {
			leader, child := family(t, c.script)
			leader.Stop(c.hurry, c.grace)
			leader.Stop(c.hurry, c.grace) // again is harmless
			var signal syscall.Signal
			if exit := new(exec.ExitError); errors.As(leader.Result(), &exit) {
				status, _ := exit.Sys().(syscall.WaitStatus)
				signal = status.Signal()
			}
			if signal != c.signal {
				t.Errorf("it ended with %v, want signal %d", leader.Result(), c.signal)
			}
			gone(t, child)
		})
	}
}

func TestProcessThatEndsByItselfLeavesNoChild(t *testing.T) {
	leader, child := family(t, "sleep 600 >/dev/null & echo $!")
	<-leader.Ended()
	gone(t, child)
}

func TestOutputOfProcessThatEndsByItselfIsRead(t *testing.T) {
	var output bytes.Buffer
	cmd := exec.Command("/bin/sh", "-c", "sleep 600 & echo $!") //nolint:noctx // it ends by itself
	cmd.Stdout = &output                                        // its child holds the output open
	p, err := process.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	<-p.Ended()
	child, err := strconv.Atoi(strings.TrimSpace(output.String()))
	if err != nil {
		t.Fatal(err)
	}
	gone(t, child)
}

func TestCommandKillsTheGroup(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	read, write := pipe(t)
	cmd := process.Command(ctx, "/bin/sh", "-c", "sleep 600 & echo $!; wait")
	cmd.Stdout = write
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := cmd.Wait(); err == nil {
		t.Error("the command succeeded")
	}
	child, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	gone(t, child)
}
