// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"io"

	"github.com/spf13/cobra"
)

// kubectlCompletion is the program that kubectl runs to complete the arguments of a plugin.
const kubectlCompletion = `#!/bin/sh
# Save it as kubectl_complete-apikey in a folder of your PATH, and make it executable.
exec kubectl-apikey __complete "$@"
`

// newCompletion returns the command that prints completion scripts.
func newCompletion() *cobra.Command {
	return &cobra.Command{
		Use:   "completion kubectl|bash|zsh|fish",
		Short: "Print the script that completes names and flags",
		Long: `Print a completion script. "kubectl" prints the one for "kubectl apikey", which kubectl itself runs when it is found on your PATH;
the others are for calling kubectl-apikey by itself.`,
		Example:   `  kubectl apikey completion kubectl`,
		ValidArgs: []string{"kubectl", "bash", "zsh", "fish"},
		Args: func(cmd *cobra.Command, args []string) error {
			if cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs)(cmd, args) != nil {
				return usagef("name kubectl, bash, zsh or fish; see `%s --help`", cmd.CommandPath())
			}

			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return cmd.Root().GenBashCompletionV2(out, true)
			case "zsh":
				return cmd.Root().GenZshCompletion(out)
			case "fish":
				return cmd.Root().GenFishCompletion(out, true)
			}
			_, err := io.WriteString(out, kubectlCompletion)

			return err
		},
	}
}
