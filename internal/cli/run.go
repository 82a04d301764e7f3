// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/apikey-operator/apikey-operator/internal/cli/output"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// Run runs the program with its arguments and returns the exit code. When the context ends, so does the command; an
// InterruptError as the cause gives the exit code.
func Run(ctx context.Context, args []string, env Environment) int {
	s := newSession(env)
	root := newRoot(s) //nolint:contextcheck // cobra hands ctx to the commands
	root.SetArgs(args)
	root.SetIn(env.In)
	root.SetOut(env.Out)
	root.SetErr(env.Err)
	err := refuseKeys(args) // before cobra, whose messages quote arguments
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = errors.Join(cause, err) // what failed is the consequence
	}
	code, message := conclude(err)
	if message != "" {
		_, _ = fmt.Fprintln(env.Err, "error: "+output.CleanLines(message))
	}

	return code
}

// refuseKeys refuses arguments that hold an API key, without repeating it.
func refuseKeys(args []string) error {
	for i, arg := range args {
		if keys.Redact(arg) != arg {
			return usagef("argument %d holds an API key. It is in the history of your shell and was visible in the list of processes: "+
				"rotate it with `kubectl apikey rotate NAME --overlap 0s`. Pass keys through standard input or a file, "+
				"such as `kubectl apikey reveal NAME | kubectl apikey explain -`", i+1)
		}
	}

	return nil
}

// noArguments refuses arguments of a command that takes none.
func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %q: the command takes none", args[0])
	}

	return nil
}
