// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/cli/output"
)

// auditOptions are the flags of audit.
type auditOptions struct {
	all, failing                       bool
	selector, unused, expiring, format string
	rules                              []string
	permissions                        int
}

// newAudit returns the command that reports keys to look at.
func newAudit(s *session) *cobra.Command {
	o := &auditOptions{}
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Report keys that are unused, about to end, over-broad or against a policy",
		Long: "Report usable keys that somebody should look at:\n\n" + ruleTexts() + `
-o json prints the findings as JSON, -o sarif as SARIF 2.1.0, which code scanning tools read. The exit code is 7 if something was
found and --fail is set, so that a pipeline can stop.`,
		Example: `  # The keys of the namespace
  kubectl apikey audit

  # Keys of all namespaces that nobody has used for half a year, or that break a policy
  kubectl apikey audit -A --rule unused,never-used,policy-violation --unused 180d

  # For a code scanning tool
  kubectl apikey audit -A -o sarif > apikeys.sarif`,
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return s.audit(cmd.Context(), o) },
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.all, "all-namespaces", "A", false, "Look at the keys of all namespaces.")
	flags.StringVarP(&o.selector, "selector", "l", "", "Select by labels, such as team=storefront.")
	flags.StringVar(&o.unused, "unused", "90d", "How long a key must not have been used to be reported.")
	flags.StringVar(&o.expiring, "expiring", "30d", "How soon a key must end to be reported.")
	flags.IntVar(&o.permissions, "max-permissions", 8, "How many permissions a key may have, with those of its roles.")
	flags.StringSliceVar(&o.rules, "rule", nil, "Only these rules; not set: all.")
	flags.StringVarP(&o.format, "output", "o", "table", "table, json or sarif.")
	flags.BoolVar(&o.failing, "fail", false, "Exit with 7 if something was found.")
	completeValues(cmd, "rule", ruleNames()...)
	completeValues(cmd, "output", "table", "json", "sarif")

	return cmd
}

func ruleNames() []string {
	var names []string
	for _, rule := range operations.Rules() {
		names = append(names, string(rule.Rule))
	}

	return names
}

func ruleTexts() string {
	var text strings.Builder
	for _, rule := range operations.Rules() {
		text.WriteString("  " + string(rule.Rule) + ": " + rule.Text + "\n")
	}

	return text.String()
}

func (s *session) audit(ctx context.Context, o *auditOptions) error {
	filter, limits, err := o.read()
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
	around := service.Surroundings(ctx)
	findings, err := o.find(ctx, service, filter, limits, around)
	if err != nil {
		return err
	}
	if len(around.Unread) > 0 {
		s.say("%s What depends on them was not judged.", unreadNote(around))
	}
	if err := s.printFindings(o.format, findings); err != nil {
		return err
	}
	if o.failing && len(findings) > 0 {
		return errFindings
	}

	return nil
}

// unreadNote says what the person may not read, and the rules that would allow it.
func unreadNote(around operations.Surroundings) string {
	text := "You may not list " + strings.Join(around.Unread, ", ") + "."
	if len(around.MissingRules) > 0 {
		text += " An administrator can allow it in the whole cluster with a ClusterRole that has the rules " + strings.Join(around.MissingRules, ", ") + "."
	}

	return text
}

// find returns the findings of the rules that the flags name.
func (o *auditOptions) find(ctx context.Context, service operations.Service, filter operations.Filter, limits operations.Thresholds,
	around operations.Surroundings,
) ([]operations.Finding, error) {
	findings := []operations.Finding{} // never null in JSON
	now := service.Clock.Now()
	_, err := service.List(ctx, filter, func(page []v1alpha1.APIKey) error {
		for i := range page {
			for _, finding := range operations.Audit(&page[i], around, limits, now) {
				if len(o.rules) == 0 || slices.Contains(o.rules, string(finding.Rule)) {
					findings = append(findings, finding)
				}
			}
		}

		return nil
	})

	return findings, err
}

// read reads the flags.
func (o *auditOptions) read() (filter operations.Filter, limits operations.Thresholds, err error) {
	if !slices.Contains([]string{"table", "json", "sarif"}, o.format) {
		return filter, limits, usagef("-o %q: must be table, json or sarif", o.format)
	}
	for _, rule := range o.rules {
		if !slices.Contains(ruleNames(), rule) {
			return filter, limits, usagef("--rule %q: must be one of %s", rule, strings.Join(ruleNames(), ", "))
		}
	}
	if o.selector != "" {
		if filter.Selector, err = parseSelector(o.selector); err != nil {
			return filter, limits, err
		}
	}
	limits.Permissions = o.permissions
	if limits.Unused, _, err = parseSpan(o.unused); err != nil {
		return filter, limits, err
	}
	limits.Expiring, _, err = parseSpan(o.expiring)

	return filter, limits, err
}

func (s *session) printFindings(format string, findings []operations.Finding) error {
	switch format {
	case "json":
		return printJSON(s.stdout(), findings)
	case "sarif":
		return printJSON(s.stdout(), output.SARIF(findings, s.Build.Version))
	}
	if len(findings) == 0 {
		s.say("Nothing to report.")

		return nil
	}
	table := output.NewTable(s.Out, s.Colour, "NAMESPACE", "NAME", "RULE", "FINDING")
	for _, f := range findings {
		if err := table.Row(output.Plain(f.Namespace), output.Plain(f.Name), output.Plain(string(f.Rule)), output.Plain(f.Message)); err != nil {
			return err
		}
	}

	return table.Flush()
}

// printJSON prints a value as indented JSON.
func printJSON(w io.Writer, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))

	return err
}
