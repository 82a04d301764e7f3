// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

// newOptions returns the command that lists the connection flags.
func newOptions() *cobra.Command {
	return &cobra.Command{
		Use:     "options",
		Short:   "List the connection flags that every command takes",
		Example: "  kubectl apikey options",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "Every command takes these flags:\n\n%s", cmd.InheritedFlags().FlagUsages())

			return err
		},
	}
}
