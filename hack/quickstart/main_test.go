// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		env  string
		exit bool
		err  string // part of the error; empty: none
	}{
		"nothing given: stays up":                    {},
		"QUICKSTART_EXIT=1: ends after the tour":     {env: "1", exit: true},
		"QUICKSTART_EXIT=0: stays up":                {env: "0"},
		"QUICKSTART_EXIT that is neither is refused": {env: "later", err: `QUICKSTART_EXIT is "later": set it to 1`},
		"an unknown flag is refused":                 {args: []string{"--fast"}, err: "-fast"},
		"an argument is refused":                     {args: []string{"now"}, err: `unexpected argument "now"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(exitVariable, c.env)
			exit, err := parse(c.args)
			if exit != c.exit {
				t.Errorf("exit after the tour is %t, want %t", exit, c.exit)
			}
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("error is %v, want one with %q", err, c.err)
			}
		})
	}
}

func TestParseHelp(t *testing.T) {
	if _, err := parse([]string{"--help"}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("error is %v, want flag.ErrHelp", err)
	}
}

func TestRunExitCodes(t *testing.T) {
	for name, c := range map[string]struct {
		arg            string
		code           int
		stdout, stderr string // parts of what is printed
	}{
		"--help explains on standard output":         {"--help", exitHeld, "Usage: make quickstart", ""},
		"an unknown flag is said on standard error":  {"--fast", exitUsage, "", "Run it with --help"},
		"an argument is named on standard error too": {"now", exitUsage, "", `"now"`},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr strings.Builder
			if code := run([]string{c.arg}, &stdout, &stderr); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, p := range []struct{ got, want string }{{stdout.String(), c.stdout}, {stderr.String(), c.stderr}} {
				if !strings.Contains(p.got, p.want) || p.want == "" && p.got != "" {
					t.Errorf("printed %q, want %q in it", p.got, p.want)
				}
			}
		})
	}
}
