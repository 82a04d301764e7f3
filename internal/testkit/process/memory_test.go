// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package process

import "testing"

func TestParseMemory(t *testing.T) {
	got, err := parseMemory("Name:\tmanager\nVmPeak:\t 1300000 kB\nVmHWM:\t   61000 kB\nVmRSS:\t   52000 kB\nThreads:\t9\n")
	if err != nil {
		t.Fatal(err)
	}
	if want := (Memory{Resident: 52000 << 10, Peak: 61000 << 10}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for name, status := range map[string]string{
		"a kernel thread, which has no memory": "Name:\tkthreadd\n",
		"a size that is no number":             "VmRSS:\tmuch kB\n",
	} {
		if got, err := parseMemory(status); err == nil {
			t.Errorf("%s: got %+v, want an error", name, got)
		}
	}
}
