// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/cli/output"
)

// createOptions are the flags of create.
type createOptions struct {
	results

	spec  specFlags
	yes   bool
	wait  bool
	limit time.Duration
}

// newCreate returns the command that makes a key.
func newCreate(s *session) *cobra.Command {
	o := &createOptions{}
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a key, and wait until it is in its Secret",
		Long: `Make an APIKey, wait until the operator has put its key into a Secret, and say where that is. The key is not printed:
"reveal" does that.

At a terminal and without flags that describe the key, it asks for display name, environment, permissions and roles that you may
grant, customers, expiry, rate limit and owner, and shows the YAML before it applies it. "--dry-run=client -o yaml" prints a manifest for Git.

Choose a name that says what the key is for. An API key is never a name.`,
		Example: `  # Asks what the key is for
  kubectl apikey create main-website

  # A production key for a year, with 100 requests a minute
  kubectl apikey create main-website --display-name "Main Website Integration" --environment Production \
    --permission customers:read,telemetry:write --expires-in 365d --rate-limit 100/1m

  # A key that is handed out once: the cluster keeps no copy after it is claimed
  kubectl apikey create partner --environment Production --delivery Once --claim-before 30m

  # A manifest for Git
  kubectl apikey create main-website --environment Staging --dry-run=client -o yaml`,
		ValidArgsFunction: cobra.NoFileCompletions,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("give the new key one name that says what it is for; see `%s --help`", cmd.CommandPath())
			}

			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return s.create(cmd.Context(), o, args[0]) },
	}
	o.register(cmd, "created")
	o.spec.register(cmd)
	flags := cmd.Flags()
	flags.BoolVarP(&o.yes, "yes", "y", false, "Do not ask; take what the flags say.")
	flags.BoolVar(&o.wait, "wait", true, "Wait until the key is in its Secret.")
	flags.DurationVar(&o.limit, "timeout", defaultWait, "How long to wait.")

	return cmd
}

func (s *session) create(ctx context.Context, o *createOptions, name string) error {
	if err := o.check(); err != nil {
		return err
	}
	asked := s.InTerminal && !o.yes && !o.spec.given()
	var spec v1alpha1.APIKeySpec
	var err error
	if !asked {
		if spec, err = o.spec.read(); err != nil {
			return err
		}
	}
	service, namespace, err := s.service()
	if err != nil {
		return err
	}
	if asked {
		if spec, err = s.askForSpec(ctx, service, namespace, name); err != nil {
			return err
		}
	}
	key := operations.New(types.NamespacedName{Namespace: namespace, Name: name}, spec)
	if asked && o.is(dryRunNone) {
		if err := s.showManifest(ctx, key); err != nil {
			return err
		}
	}

	return s.send(ctx, o, service, key)
}

// send creates the APIKey, as far as --dry-run lets it.
func (s *session) send(ctx context.Context, o *createOptions, service operations.Service, key *v1alpha1.APIKey) error {
	if o.is(dryRunClient) {
		return o.show(s, key)
	}
	created, err := service.Create(ctx, key, o.is(dryRunServer))
	if err != nil {
		return err
	}
	if err := o.show(s, created); err != nil || o.is(dryRunServer) || !o.wait {
		return err
	}

	return s.awaitFirstKey(ctx, o, service, created)
}

// awaitFirstKey waits until the key is in its Secret, and says where that is.
func (s *session) awaitFirstKey(ctx context.Context, o *createOptions, service operations.Service, created *v1alpha1.APIKey) error {
	ready, err := service.AwaitReady(ctx, created, o.limit)
	if err != nil {
		return err
	}
	now := s.Clock.Now()
	view := operations.ViewOf(ready, now)
	if view.Status != v1alpha1.PhaseActive {
		s.say("The key is %s: %s", view.Status, view.Message)

		return nil
	}
	ends := "It never expires."
	if view.Expires != nil {
		ends = "It expires in " + output.In(view.Expires, now) + "."
	}
	s.say("The key is in Secret %s of namespace %s, under %q. %s", ready.SecretName(), ready.Namespace, ready.SecretDataKey(), ends)
	if view.Delivery.Awaits() {
		s.say("It is handed out once: take it within %s, or it is revoked. The Secret is deleted then.", output.In(view.Delivery.Deadline, now))
		s.say("To take it: %s reveal %s -n %s --claim --show", program, ready.Name, ready.Namespace)

		return nil
	}
	s.say("To see it: %s reveal %s -n %s --show", program, ready.Name, ready.Namespace)

	return nil
}
