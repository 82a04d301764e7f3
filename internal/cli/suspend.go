// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"github.com/spf13/cobra"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
)

// newSuspend returns the command that disables keys for a while.
func newSuspend(s *session) *cobra.Command {
	e := &edit{
		question: "Suspend",
		harm: func() string {
			return "Verifiers refuse them at once with 401, until they are resumed. The Secrets stay."
		},
		idle: func(view operations.View) string {
			if view.Status == v1alpha1.PhaseSuspended {
				return "it is suspended already"
			}

			return endedNote(view)
		},
		change: operations.Suspend(),
	}
	cmd := &cobra.Command{
		Use:   "suspend NAME... | -l SELECTOR",
		Short: "Disable keys for a while, without deleting anything",
		Long:  `Disable keys until "resume". Verifiers refuse them with 401; the Secret and the key in it stay.`,
		Example: `  # Disable a key
  kubectl apikey suspend main-website

  # Disable all keys of a team, without being asked
  kubectl apikey suspend -l team=storefront --yes`,
		RunE: func(cmd *cobra.Command, names []string) error { return e.run(cmd.Context(), s, names) },
	}
	e.register(s, cmd, "suspended")

	return cmd
}

// endedNote says that a key is dead for good; empty: it is not.
func endedNote(view operations.View) string {
	if !view.Ended() {
		return ""
	}

	return "it is " + string(view.Status) + ", which is final; create another APIKey"
}
