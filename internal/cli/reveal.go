// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
)

// revealOptions are the flags of reveal.
type revealOptions struct {
	show, previous bool
}

// newReveal returns the command that prints a key.
func newReveal(s *session) *cobra.Command {
	o := &revealOptions{}
	cmd := &cobra.Command{
		Use:   "reveal NAME",
		Short: "Print the key itself, for a pipe or a file",
		Long: `Print the key of an APIKey from its Secret, and nothing else, on standard output. A warning goes to standard error.

A terminal keeps what it shows, so the key is not printed to one unless you add --show. Elsewhere the key has no line break behind
it, so that it can be written into a file as it is. It needs the right to get the Secret.`,
		Example: `  # Call an API with the key
  curl -H @<(printf 'X-API-Key: %s' "$(kubectl apikey reveal main-website)") https://api.example.com/customers

  # Hand the key to another platform's tool
  kubectl apikey reveal main-website > key.txt

  # Show it once, to copy it into a web page
  kubectl apikey reveal main-website --show`,
		ValidArgsFunction: s.completeOneName,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("name one APIKey; see `%s --help`", cmd.CommandPath())
			}

			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return s.reveal(cmd.Context(), o, args[0]) },
	}
	cmd.Flags().BoolVar(&o.show, "show", false, "Print the key even to a terminal.")
	cmd.Flags().BoolVar(&o.previous, "previous", false, "Print the previous key, which still works while an overlap runs.")

	return cmd
}

func (s *session) reveal(ctx context.Context, o *revealOptions, name string) error {
	if s.OutTerminal && !o.show {
		return usagef("standard output is a terminal, which keeps what it shows: send the key to a file or a pipe, or add --show")
	}
	service, namespace, err := s.service()
	if err != nil {
		return err
	}
	key, err := service.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name})
	if err != nil {
		return err
	}
	plain, err := service.Reveal(ctx, key, o.previous)
	if err != nil {
		return err
	}
	s.say(
		"Warning: this is the key of %s. Anyone who has it can use it. Store it in a safe place, and not in Git or a chat; if it gets out, run: %s "+
			"rotate %s --overlap 0s",
		operations.NameOf(key),
		program,
		name,
	)
	if key.Status.Phase == v1alpha1.PhaseSuspended {
		s.say("Warning: the key is suspended, so verifiers refuse it for now.")
	}
	end := ""
	if s.OutTerminal {
		end = "\n"
	}
	_, err = fmt.Fprint(s.Out, plain.Reveal()+end)

	return err
}
