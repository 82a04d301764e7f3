// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/cli/output"
)

// stopLeaked rotates or revokes APIKeys whose keys have leaked, after a confirmation. They can be in several namespaces.
func (s *session) stopLeaked(ctx context.Context, o *leakedOptions, service operations.Service, apikeys []v1alpha1.APIKey) error {
	question, done, change := "Rotate", "rotation requested", operations.Revoke()
	if o.revoke {
		question, done = "Revoke", "revoked"
	} else {
		request, _, err := service.NewRotateRequest("0s")
		if err != nil {
			return err
		}
		change = operations.Rotate(request)
	}
	if !o.yes {
		s.say("%s %s; what is in the text stops at once, and programs that use it are refused.", question, output.Count(len(apikeys), "key"))
		if err := s.asks.Confirm(ctx, "Continue?"); err != nil {
			return err
		}
	}
	var errs []error
	for i := range apikeys {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if _, err := service.Apply(ctx, &apikeys[i], change, false); err != nil {
			errs = append(errs, err)

			continue
		}
		s.say("apikey %s: %s", operations.NameOf(&apikeys[i]), done)
	}

	return errors.Join(errs...)
}
