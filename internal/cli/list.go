// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/cli/output"
)

// listOptions are the flags of list.
type listOptions struct {
	all, watch                 bool
	selector, expiring, unused string
	statuses                   []string
	format                     *genericclioptions.PrintFlags
}

// newList returns the command that lists APIKeys.
func newList(s *session) *cobra.Command {
	o := &listOptions{format: genericclioptions.NewPrintFlags("")}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls", "get"},
		Short:   "List keys with status, permissions, limit, expiry and last use",
		Long: `List the keys of a namespace, or of all.

STATUS is Pending, Active, Suspended, Revoked or Expired. LAST USED is exact to about 5 minutes. EXPIRES IN is when the key
ends by itself. Permissions that come from a role are shown as role/NAME.`,
		Example: `  # The keys of the namespace
  kubectl apikey list

  # Keys of all namespaces that end within a month
  kubectl apikey list -A --expiring 30d

  # Keys that nobody has used for three months
  kubectl apikey list --unused 90d -o wide`,
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return s.list(cmd.Context(), o) },
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.all, "all-namespaces", "A", false, "List the keys of all namespaces.")
	flags.StringVarP(&o.selector, "selector", "l", "", "Select by labels, such as team=storefront.")
	flags.StringVar(&o.expiring, "expiring", "", "Only usable keys that end within this time, such as 30d.")
	flags.StringVar(&o.unused, "unused", "", "Only usable keys that were not used for at least this time, such as 90d.")
	flags.StringSliceVar(
		&o.statuses,
		"status",
		nil,
		"Only keys of these statuses: "+strings.Join(statusNames(), ", ")+"; Inactive stands for Suspended and Revoked.",
	)
	flags.BoolVarP(&o.watch, "watch", "w", false, "Go on and print a row whenever a key changes, until Ctrl-C.")
	o.format.AddFlags(cmd)
	flags.Lookup("output").Usage = "Output format: wide, json, yaml, name, jsonpath=, go-template= and their -file variants."
	completeValues(cmd, "status", append(statusNames(), "Inactive")...)
	completeValues(cmd, "output", "wide", "json", "yaml", "name", "jsonpath=")

	return cmd
}

func (s *session) list(ctx context.Context, o *listOptions) error {
	filter, err := o.filter()
	if err != nil {
		return err
	}
	service, namespace, err := s.service()
	if err != nil {
		return err
	}
	if !o.all {
		filter.Namespace = namespace
	}
	if format := *o.format.OutputFormat; format != "" && format != "wide" {
		return s.listObjects(ctx, service, o, filter)
	}
	table := output.NewKeyTable(s.Out, s.Colour, o.all, *o.format.OutputFormat == "wide")
	rows := 0
	version, err := service.List(ctx, filter, func(page []v1alpha1.APIKey) error {
		rows += len(page)

		return s.printRows(table, page, rows > 0)
	})
	switch {
	case err != nil:
		return err
	case o.watch:
		return s.watchKeys(ctx, service, filter, version, table)
	case rows == 0:
		s.say("%s", emptyList(filter))
	}

	return nil
}

// printRows prints a page. The header appears with the first row.
func (s *session) printRows(table *output.KeyTable, page []v1alpha1.APIKey, flush bool) error {
	now := s.Clock.Now()
	for i := range page {
		view := operations.ViewOf(&page[i], now)
		if err := table.Row(&view, now); err != nil {
			return err
		}
	}
	if !flush {
		return nil
	}

	return table.Flush()
}

// filter reads the flags.
func (o *listOptions) filter() (operations.Filter, error) {
	var filter operations.Filter
	var err error
	if o.selector != "" {
		if filter.Selector, err = parseSelector(o.selector); err != nil {
			return filter, err
		}
	}
	for text, into := range map[string]*time.Duration{o.expiring: &filter.ExpiresWithin, o.unused: &filter.UnusedFor} {
		if text == "" {
			continue
		}
		if *into, _, err = parseSpan(text); err != nil {
			return filter, err
		}
	}
	for _, name := range o.statuses {
		if strings.EqualFold(name, "Inactive") {
			filter.Statuses = append(filter.Statuses, v1alpha1.PhaseSuspended, v1alpha1.PhaseRevoked)

			continue
		}
		at := slices.IndexFunc(statusNames(), func(known string) bool { return strings.EqualFold(known, name) })
		if at < 0 {
			return filter, usagef("--status %q: must be one of %s, Inactive", name, strings.Join(statusNames(), ", "))
		}
		filter.Statuses = append(filter.Statuses, v1alpha1.Phase(statusNames()[at]))
	}

	return filter, nil
}

func statusNames() []string {
	return []string{
		string(v1alpha1.PhasePending), string(v1alpha1.PhaseActive), string(v1alpha1.PhaseSuspended),
		string(v1alpha1.PhaseRevoked), string(v1alpha1.PhaseExpired),
	}
}

// emptyList says that there is no key, and what to do.
func emptyList(filter operations.Filter) string {
	where := "in any namespace"
	if filter.Namespace != "" {
		where = "in namespace " + filter.Namespace
	}
	if filter.Selector != nil || len(filter.Statuses) > 0 || filter.ExpiresWithin > 0 || filter.UnusedFor > 0 {
		return "No key like that " + where + "."
	}

	return "No keys " + where + ". Make one: " + program + " create NAME --environment Development"
}
