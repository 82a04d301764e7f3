// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// TestKeyInEveryArgument refuses a key as each argument and as the value of each flag of every command, and does not repeat it.
func TestKeyInEveryArgument(t *testing.T) {
	drawn, err := keys.Generator{}.New(v1alpha1.EnvironmentProduction)
	if err != nil {
		t.Fatal(err)
	}
	key := drawn.Reveal()
	root := newRoot(newSession(Environment{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}))
	lines := [][]string{{key}, {"--from-file=" + key}, {"no-such-command", key}, {"help", key}, {"__complete", key, ""}, {"__completeNoDesc", "list", key}}
	root.InitDefaultHelpCmd()
	for _, command := range root.Commands() {
		lines = append(lines, argumentsOf(command, key)...)
	}
	if len(lines) < 300 {
		t.Fatalf("there are only %d command lines", len(lines))
	}
	for _, line := range lines {
		var said strings.Builder
		code := Run(context.Background(), line, Environment{In: strings.NewReader(""), Out: &said, Err: &said, Clock: clock.RealClock{}})
		if code != ExitUsage || !strings.Contains(said.String(), "rotate it with") || strings.Contains(said.String(), key[8:20]) {
			t.Errorf("%s: exit code %d, said %q", strings.ReplaceAll(strings.Join(line, " "), key, "KEY"), code, strings.ReplaceAll(said.String(), key, "KEY"))
		}
	}
}

// argumentsOf returns command lines that hold a key: at each place, and as the value of each flag.
func argumentsOf(command *cobra.Command, key string) [][]string {
	name := command.Name()
	lines := [][]string{
		{name, key}, {key, name}, {name, "web", key}, {name, "--", key}, {name, "-", key}, {name, "--from-file=" + key}, {name, "a/" + key},
		{name, "KEY=" + key}, {name, key + "\n"}, {name, "--help", key}, {name, "--" + key},
	}
	command.InheritedFlags() // adds those of the root
	command.Flags().VisitAll(func(flag *pflag.Flag) {
		lines = append(lines, []string{name, "--" + flag.Name, key}, []string{name, "--" + flag.Name + "=" + key})
		if flag.Shorthand != "" {
			lines = append(lines, []string{name, "-" + flag.Shorthand, key}, []string{name, "-" + flag.Shorthand + key})
		}
	})

	return lines
}
