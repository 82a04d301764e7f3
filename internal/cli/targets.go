// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
)

// targets are the APIKeys that a command is about: named, or selected by labels.
type targets struct {
	selector string
}

// register adds the flag to a command, and the completion of names.
func (t *targets) register(s *session, cmd *cobra.Command) {
	cmd.Flags().StringVarP(&t.selector, "selector", "l", "", "Select APIKeys of the namespace by labels instead of naming them, such as team=storefront.")
	cmd.ValidArgsFunction = s.completeNames
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if (len(args) == 0) == (t.selector == "") {
			return usagef("name the APIKeys, or select them with -l; see `%s --help`", cmd.CommandPath())
		}

		return nil
	}
}

// find reads the APIKeys. When some of the named ones do not exist, it returns the others and an error about these.
func (t *targets) find(ctx context.Context, service operations.Service, namespace string, names []string) ([]v1alpha1.APIKey, error) {
	if t.selector != "" {
		selector, err := parseSelector(t.selector)
		if err != nil {
			return nil, err
		}
		found, err := service.All(ctx, operations.Filter{Namespace: namespace, Selector: selector})
		if err == nil && len(found) == 0 {
			err = noMatchError{namespace, t.selector}
		}

		return found, err
	}
	var found []v1alpha1.APIKey
	var errs []error
	for _, name := range names {
		key, err := service.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name})
		if err != nil {
			errs = append(errs, err)

			continue
		}
		found = append(found, *key)
	}

	return found, errors.Join(errs...)
}

// noMatchError tells that a selector selects no APIKey.
type noMatchError struct{ namespace, selector string }

// Error implements error.
func (e noMatchError) Error() string {
	return fmt.Sprintf("no APIKey in namespace %q has the labels %q", e.namespace, e.selector)
}

func parseSelector(text string) (labels.Selector, error) {
	selector, err := labels.Parse(text)
	if err != nil {
		return nil, usagef("-l %q: %v", text, err)
	}

	return selector, nil
}
