// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asPlugin makes this test program behave as the plugin.
const asPlugin = "TEST_PROGRAM_IS_PLUGIN"

// patience is how long the plugin may take on a loaded machine.
const patience = 2 * time.Minute

func TestMain(m *testing.M) {
	if os.Getenv(asPlugin) != "" {
		main() // ends the process
	}
	os.Exit(m.Run())
}

// plugin is a command that runs the plugin in a process of its own.
func plugin(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], args...) //nolint:gosec // it runs itself
	cmd.Env = append(os.Environ(), asPlugin+"=1", "KUBECONFIG=/nonexistent")

	return cmd
}

// start starts a command.
func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// exitCode waits for a command and returns its exit code, or minus the number of the signal that ended it.
func exitCode(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	err := cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &exit):
		t.Fatal(err)
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return -int(status.Signal())
	}

	return exit.ExitCode()
}

// TestBrokenPipe: when the reader of the output has gone, the plugin ends without a word.
func TestBrokenPipe(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = reader.Close()
	cmd := plugin(t, "--help")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = writer, &said
	start(t, cmd)
	code := exitCode(t, cmd)
	_ = writer.Close()
	if code != -int(syscall.SIGPIPE) && code != 128+int(syscall.SIGPIPE) || said.Len() > 0 {
		t.Errorf("exit code %d, said %q", code, said.String())
	}
}

// TestInterruption: Ctrl-C and SIGTERM end a command that waits for an API server, without a word.
func TestInterruption(t *testing.T) {
	for signal, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		cmd := plugin(t, "list", "--server", "http://"+listener.Addr().String(), "--kubeconfig", emptyKubeconfig(t))
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		start(t, cmd)
		go func() {
			connection, err := listener.Accept() // the request is on its way, and will not be answered
			if err == nil {
				_ = cmd.Process.Signal(signal)
				_, _ = connection.Read(make([]byte, 1))
			}
		}()
		if code := exitCode(t, cmd); code != want || out.Len() > 0 {
			t.Errorf("%s: exit code %d, said %q", signal, code, out.String())
		}
		_ = listener.Close()
	}
}

func emptyKubeconfig(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, []byte("apiVersion: v1\nkind: Config\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	return path
}

// TestTerminal runs the plugin at a terminal, which script(1) provides.
func TestTerminal(t *testing.T) {
	script, err := exec.LookPath("script")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("script is not installed: CI has to install the Debian package bsdutils")
		}
		t.Skip("script is not installed: it is in the Debian package bsdutils")
	}
	for command, says := range map[string]string{
		"reveal web":           "add --show",
		"suspend web":          "connection refused",
		"create web":           "connection refused", // it asks, and so asks the API server for grants first
		"create web --owner x": "--environment is missing",
	} {
		cmd := plugin(t)
		cmd.Path, cmd.Args = script, []string{script, "-qec", os.Args[0] + " " + command, "/dev/null"}
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), says) {
			t.Errorf("%s: %v, said %q, want %q", command, err, out, says)
		}
	}
}
