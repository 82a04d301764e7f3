// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package process starts the child processes of tests and of the programs under hack, and ends them so that none is left.
//
// Each child leads a process group of its own. A Ctrl-C at the terminal therefore reaches only the parent, which ends its
// children in order: the API server after the programs that use it.
package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// outputDelay is how long the output of an ended process is read. Only children that it has left hold the output open longer.
const outputDelay = time.Second

// Process is a running child process.
type Process struct {
	cmd    *exec.Cmd
	ended  chan struct{} // closed when the process has ended
	result error         // valid once ended is closed
}

// Start starts a command as the leader of a new process group.
func Start(cmd *exec.Cmd) (*Process, error) {
	cmd.SysProcAttr = ownGroup()
	cmd.WaitDelay = outputDelay
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(cmd.Path), err)
	}
	p := &Process{cmd: cmd, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		p.result = cmd.Wait()
		_ = killGroup(cmd.Process.Pid) // what the process has started and left; an error means that there is nothing
	}()

	return p, nil
}

// StartLogged starts a command whose output goes to a new file.
func StartLogged(cmd *exec.Cmd, file string) (*Process, error) {
	log, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the child has its own copy of the descriptor
	cmd.Stdout, cmd.Stderr = log, log

	return Start(cmd)
}

// Command returns a command in a process group of its own, which is killed as a group when ctx ends.
func Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = ownGroup()
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid) }
	cmd.WaitDelay = outputDelay

	return cmd
}

// AtOnce returns a closed channel, with which Stop kills without grace.
func AtOnce() <-chan struct{} {
	closed := make(chan struct{})
	close(closed)

	return closed
}

// PID returns the number of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended returns a channel that is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Result returns the result of exec.Cmd.Wait. Call it after Ended is closed.
func (p *Process) Result() error { return p.result }

// Signal sends a signal to the process. It returns os.ErrProcessDone if the process has ended.
func (p *Process) Signal(signal os.Signal) error { return p.cmd.Process.Signal(signal) }

// Stop ends the process and what it has started: it sends SIGTERM, and SIGKILL to the whole group when the process is
// still there after grace, or as soon as hurry is closed. Stop returns when the process is gone; calling it again is harmless.
func (p *Process) Stop(hurry <-chan struct{}, grace time.Duration) {
	_ = p.Signal(syscall.SIGTERM) // an error means that the process has ended
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.ended:
		return
	case <-timer.C:
	case <-hurry:
	}
	_ = killGroup(p.cmd.Process.Pid) // an error means that the process has ended
	<-p.ended
}

// killGroup kills every process of the group that a process leads.
func killGroup(leader int) error { return syscall.Kill(-leader, syscall.SIGKILL) }

func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
