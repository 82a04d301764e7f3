// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
)

// Memory is the resident memory of a process, in bytes: Linux's VmRSS and VmHWM (proc_pid_status(5)).
type Memory struct {
	Resident, Peak int64
}

// MemoryOf reads the memory of a running process. It returns an error on a system without Linux's /proc.
//
// The resource usage that wait4(2) returns after the end of a child is no substitute for the peak: it is at least the memory of
// the program that started the child.
func MemoryOf(pid int) (Memory, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Memory{}, fmt.Errorf("read the memory of a process: %w", err)
	}

	return parseMemory(string(status))
}

// parseMemory reads the memory from the status file of a process.
func parseMemory(status string) (m Memory, err error) {
	for name, to := range map[string]*int64{"VmRSS": &m.Resident, "VmHWM": &m.Peak} {
		found := regexp.MustCompile(`(?m)^` + name + `:\s+(\d+) kB$`).FindStringSubmatch(status)
		if found == nil {
			return Memory{}, fmt.Errorf("the status of a process has no %s in kB", name)
		}
		size, err := strconv.ParseInt(found[1], 10, 64)
		if err != nil {
			return Memory{}, err
		}
		*to = size << 10
	}

	return m, nil
}
