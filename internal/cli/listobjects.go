// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/cli/output"
)

// listObjects prints the selected APIKeys in the format of -o: as one List, or name by name.
func (s *session) listObjects(ctx context.Context, service operations.Service, o *listOptions, filter operations.Filter) error {
	kinds, err := operations.Scheme()
	if err != nil {
		return err
	}
	printer, err := o.format.WithTypeSetter(kinds).ToPrinter()
	if err != nil {
		return usagef("%v", err)
	}
	found, err := service.All(ctx, filter)
	if err != nil {
		return err
	}
	list := &v1alpha1.APIKeyList{Items: found}
	if *o.format.OutputFormat != "name" {
		for i := range found {
			found[i].SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("APIKey"))
		}

		return s.print(printer, list)
	}
	for i := range found {
		if err := s.print(printer, &found[i]); err != nil {
			return err
		}
	}

	return nil
}

// watchKeys prints a row whenever a selected APIKey changes, until the context ends.
func (s *session) watchKeys(ctx context.Context, service operations.Service, filter operations.Filter, version string, table *output.KeyTable) error {
	return service.Watch(ctx, filter, version, func(key *v1alpha1.APIKey) error {
		return s.printRows(table, []v1alpha1.APIKey{*key}, true)
	})
}
