// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
)

// edit is a change of one or more APIKeys, as the commands that make one describe it.
type edit struct {
	targets
	results

	yes bool
	// question names the deed: "Revoke". Empty: the change breaks nothing and needs no confirmation.
	question string
	// harm says what happens to the users of the key.
	harm func() string
	// idle says why there is nothing to do about an APIKey; empty: there is something.
	idle func(view operations.View) string
	// change is what is sent; nil: the APIKey is deleted.
	change operations.Change
	// follow runs after each change that was made, to wait for its effect and tell about it; nil: nothing follows.
	follow func(ctx context.Context, service operations.Service, before, after *v1alpha1.APIKey) error
}

// register adds the flags that all edits have.
func (e *edit) register(s *session, cmd *cobra.Command, done string) {
	e.targets.register(s, cmd)
	e.results.register(cmd, done)
	if e.question != "" {
		cmd.Flags().BoolVarP(&e.yes, "yes", "y", false, "Do not ask. Without a terminal to ask at, the command needs it.")
	}
}

// run finds the APIKeys, has the change confirmed, and makes it. APIKeys that cannot be changed do not keep others from it.
func (e *edit) run(ctx context.Context, s *session, names []string) error {
	if err := e.check(); err != nil {
		return err
	}
	service, namespace, err := s.service()
	if err != nil {
		return err
	}
	found, missing := e.find(ctx, service, namespace, names)
	todo := e.withoutIdle(s, found)
	if len(todo) == 0 {
		return missing
	}
	if e.question != "" && !e.yes && e.is(dryRunNone) {
		if missing != nil {
			return missing // nothing is asked about half of what was meant
		}
		if err := e.confirm(ctx, s, service, todo); err != nil {
			return err
		}
	}
	errs := []error{missing}
	for i := range todo {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		errs = append(errs, e.make(ctx, s, service, &todo[i]))
	}

	return errors.Join(errs...)
}

// withoutIdle returns the APIKeys for which there is something to do, and tells about the others.
func (e *edit) withoutIdle(s *session, found []v1alpha1.APIKey) []v1alpha1.APIKey {
	var todo []v1alpha1.APIKey
	for i := range found {
		if e.idle != nil {
			if why := e.idle(operations.ViewOf(&found[i], s.Clock.Now())); why != "" {
				s.say("apikey %s is left as it is: %s", operations.NameOf(&found[i]), why)

				continue
			}
		}
		todo = append(todo, found[i])
	}

	return todo
}

// make makes the change of one APIKey and prints the result.
func (e *edit) make(ctx context.Context, s *session, service operations.Service, key *v1alpha1.APIKey) error {
	after, err := e.send(ctx, service, key)
	if err != nil {
		return err
	}
	if err := e.show(s, after); err != nil {
		return err
	}
	if e.follow == nil || !e.is(dryRunNone) {
		return nil
	}

	return e.follow(ctx, service, key, after)
}

// send sends the change, as far as --dry-run lets it.
func (e *edit) send(ctx context.Context, service operations.Service, key *v1alpha1.APIKey) (*v1alpha1.APIKey, error) {
	switch {
	case e.change == nil && e.is(dryRunClient):
		return key, nil
	case e.change == nil:
		return key, service.Delete(ctx, key, e.is(dryRunServer))
	case e.is(dryRunClient):
		return operations.Applied(key, e.change), nil
	default:
		return service.Apply(ctx, key, e.change, e.is(dryRunServer))
	}
}
