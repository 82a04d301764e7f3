// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"github.com/spf13/cobra"

	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
)

// newRename returns the command that changes the display name.
func newRename(s *session) *cobra.Command {
	e := &edit{}
	cmd := &cobra.Command{
		Use:   "rename NAME DISPLAY-NAME",
		Short: "Change the display name of a key; the key stays the same",
		Long: `Change what people call a key. Key, Secret and permissions stay the same.

The name of the APIKey object cannot change, as with every object of Kubernetes. A display name that looks like an API key is refused.`,
		Example: `  kubectl apikey rename main-website "Main Website Integration"`,
	}
	e.register(s, cmd, "renamed")
	_ = cmd.Flags().MarkHidden("selector") // equal display names for several keys are of no use
	cmd.ValidArgsFunction = s.completeOneName
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) != 2 || e.selector != "" {
			return usagef("give the name of the APIKey and its display name; see `%s --help`", cmd.CommandPath())
		}

		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		e.change = operations.Rename(args[1])

		return e.run(cmd.Context(), s, args[:1])
	}

	return cmd
}
