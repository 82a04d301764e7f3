// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"github.com/spf13/cobra"

	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
)

// newResume returns the command that ends a suspension.
func newResume(s *session) *cobra.Command {
	e := &edit{idle: endedNote, change: operations.Resume()}
	cmd := &cobra.Command{
		Use:   "resume NAME... | -l SELECTOR",
		Short: "Let suspended keys work again",
		Long: `Let suspended keys work again. The keys are the same as before.

Resuming makes a key count for more, so it needs the grants for what the key may do.`,
		Example: `  kubectl apikey resume main-website`,
		RunE:    func(cmd *cobra.Command, names []string) error { return e.run(cmd.Context(), s, names) },
	}
	e.register(s, cmd, "resumed")

	return cmd
}
