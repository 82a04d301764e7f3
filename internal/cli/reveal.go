// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// revealOptions are the flags of reveal.
type revealOptions struct {
	show, previous, claim bool
	limit                 time.Duration
}

// newReveal returns the command that prints a key.
func newReveal(s *session) *cobra.Command {
	o := &revealOptions{}
	cmd := &cobra.Command{
		Use:   "reveal NAME",
		Short: "Print the key itself, for a pipe or a file",
		Long: `Print the key of an APIKey from its Secret, and nothing else, on standard output. A warning goes to standard error.

A terminal keeps what it shows, so the key is not printed to one unless you add --show. Elsewhere the key has no line break behind
it, so that it can be written into a file as it is. It needs the right to get the Secret.

A key with delivery Once is taken with --claim: the key is printed, its Secret is deleted, and the key keeps working although no copy
of it is left in the cluster. Of several people who claim a key at once one gets it. It needs the right to patch the APIKey, too.`,
		Example: `  # Call an API with the key
  curl -H @<(printf 'X-API-Key: %s' "$(kubectl apikey reveal main-website)") https://api.example.com/customers

  # Hand the key to another platform's tool
  kubectl apikey reveal main-website > key.txt

  # Show it once, to copy it into a web page
  kubectl apikey reveal main-website --show

  # Take a key that is handed out once
  kubectl apikey reveal partner --claim > key.txt`,
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
	cmd.Flags().BoolVar(&o.claim, "claim", false, "Take a key with delivery Once: print it and have its Secret deleted.")
	cmd.Flags().DurationVar(&o.limit, "timeout", defaultWait, "With --claim, how long to wait for the operator after the key was printed.")

	return cmd
}

func (s *session) reveal(ctx context.Context, o *revealOptions, name string) error {
	if o.claim && o.previous {
		return usagef("--claim and --previous cannot both be set: the previous key goes with the Secret; read it first")
	}
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
	if o.claim {
		return s.claim(ctx, o, service, key)
	}
	plain, err := service.Reveal(ctx, key, o.previous)
	if err != nil {
		return err
	}

	return s.printKey(key, plain)
}

// claim takes a key that is delivered once. The key is printed before the wait for the operator: no one can get it again.
func (s *session) claim(ctx context.Context, o *revealOptions, service operations.Service, key *v1alpha1.APIKey) error {
	plain, claimed, err := service.Claim(ctx, key)
	if err != nil {
		return err
	}
	if err := s.printKey(claimed, plain); err != nil {
		s.say("The key was claimed and could not be printed. Replace it: %s rotate %s -n %s --overlap 0s", program, key.Name, key.Namespace)

		return err
	}
	s.say("Claimed. Waiting until the operator has deleted Secret %s ...", key.SecretName())
	if _, err := service.AwaitClaimed(ctx, claimed, o.limit); err != nil {
		return err
	}
	s.say("Secret %s is deleted: the key works, and no copy of it is left in the cluster.", key.SecretName())

	return nil
}

// printKey prints a key, and a warning beside it.
func (s *session) printKey(key *v1alpha1.APIKey, plain keys.Key) error {
	s.say(
		"Warning: this is the key of %s. Anyone who has it can use it. Store it in a safe place, and not in Git or a chat; if it gets out, run: %s "+
			"rotate %s --overlap 0s",
		operations.NameOf(key),
		program,
		key.Name,
	)
	if key.Status.Phase == v1alpha1.PhaseSuspended {
		s.say("Warning: the key is suspended, so verifiers refuse it for now.")
	}
	end := ""
	if s.OutTerminal {
		end = "\n"
	}
	_, err := fmt.Fprint(s.Out, plain.Reveal()+end)

	return err
}
