// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import "github.com/spf13/cobra"

// newDelete returns the command that deletes APIKeys.
func newDelete(s *session) *cobra.Command {
	e := &edit{
		question: "Delete",
		harm: func() string {
			return "Verifiers refuse them at once with 401, and APIKeys, Secrets and history are gone. To keep the history, use revoke."
		},
	}
	cmd := &cobra.Command{
		Use:   "delete NAME... | -l SELECTOR",
		Short: "Delete keys with their Secrets and history",
		Long: `Delete APIKeys. Their keys stop at once and garbage collection deletes their Secrets. To connect again, create another APIKey
and give the new key to the platform.

"revoke" ends a key as well, and keeps its history.`,
		Example: `  kubectl apikey delete main-website

  kubectl apikey delete -l team=storefront --yes`,
		RunE: func(cmd *cobra.Command, names []string) error { return e.run(cmd.Context(), s, names) },
	}
	e.register(s, cmd, "deleted")

	return cmd
}
