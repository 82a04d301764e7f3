// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
)

const (
	// completionLimit is how long a completion may take: the person waits for it in the middle of a line.
	completionLimit = 3 * time.Second
	// maxCompletions is how many names a completion offers.
	maxCompletions = 500
)

// completeNames offers the names of the APIKeys in the namespace that the arguments do not hold yet.
func (s *session) completeNames(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	service, namespace, err := s.service()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionLimit)
	defer cancel()
	var names []cobra.Completion
	_, _ = service.List(ctx, operations.Filter{Namespace: namespace}, func(page []v1alpha1.APIKey) error { // without names there is nothing to offer
		for i := range page {
			if !slices.Contains(args, page[i].Name) && len(names) < maxCompletions {
				names = append(names, page[i].Name)
			}
		}
		if len(names) >= maxCompletions {
			return context.Canceled
		}

		return nil
	})

	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeOneName is completeNames for a command that takes one name.
func (s *session) completeOneName(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}

	return s.completeNames(cmd, args, typed)
}

// completeValues offers fixed values of a flag.
func completeValues(cmd *cobra.Command, flag string, values ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // fails only for a flag that does not exist
}
