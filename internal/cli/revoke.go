// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"github.com/spf13/cobra"

	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
)

// newRevoke returns the command that ends keys for good.
func newRevoke(s *session) *cobra.Command {
	e := &edit{
		question: "Revoke",
		harm: func() string {
			return "Verifiers refuse them at once with 401, and the Secrets are deleted. This cannot be undone. The APIKeys and their history stay."
		},
		idle:   endedNote,
		change: operations.Revoke(),
	}
	cmd := &cobra.Command{
		Use:   "revoke NAME... | -l SELECTOR",
		Short: "End keys for good and keep their history",
		Long: `End keys for good: verifiers refuse them at once and their Secrets are deleted. The APIKeys, their status and their events stay.

This cannot be undone. "suspend" disables a key for a while; "rotate --overlap 0s" replaces a leaked key.`,
		Example: `  # Cut off a compromised key
  kubectl apikey revoke main-website

  # In a pipeline
  kubectl apikey revoke main-website --yes`,
		RunE: func(cmd *cobra.Command, names []string) error { return e.run(cmd.Context(), s, names) },
	}
	e.register(s, cmd, "revoked")

	return cmd
}
