// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// say prints one line of each kind.
func say(n narrator) string {
	n.title("A story")
	n.heading("1/1 Told", "for the test")
	n.command("kubectl get all")
	n.output("one\ntwo")
	n.note("the %s", "end")
	n.held("%d lines", 2)

	return n.out.(*strings.Builder).String() //nolint:errcheck // the tests below pass a strings.Builder
}

func TestNarratorWithoutColours(t *testing.T) {
	want := `A story

1/1 Told: for the test
  $ kubectl get all
  one
  two
  # the end
  ✓ 2 lines
`
	if diff := cmp.Diff(want, say(newNarrator(new(strings.Builder)))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNarratorWithColours(t *testing.T) {
	want := "\x1b[1mA story\x1b[0m\n\n\x1b[1m1/1 Told: \x1b[0mfor the test\n  \x1b[36m$ kubectl get all\x1b[0m\n  one\n  two\n" +
		"  \x1b[2m# the end\x1b[0m\n  \x1b[32m✓\x1b[0m 2 lines\n"
	if diff := cmp.Diff(want, say(narrator{out: new(strings.Builder), coloured: true})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
