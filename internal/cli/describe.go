// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/cli/output"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// newDescribe returns the command that tells everything about one key.
func newDescribe(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "describe NAME",
		Short: "Tell everything about a key: settings, timeline, policies, grants",
		Long: `Tell everything about one key: its settings and status, its timeline from minting to expiry with the events, the APIKeyPolicies that
apply to it, and which grants for it you lack and who has them.

What you may not read is left out, with a note.`,
		Example:           `  kubectl apikey describe main-website`,
		ValidArgsFunction: s.completeOneName,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("name one APIKey; see `%s --help`", cmd.CommandPath())
			}

			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return s.describe(cmd.Context(), args[0]) },
	}
}

func (s *session) describe(ctx context.Context, name string) error {
	service, namespace, err := s.service()
	if err != nil {
		return err
	}
	key, err := service.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name})
	if err != nil {
		return err
	}
	d := &description{now: s.Clock.Now(), colour: s.Colour, view: operations.ViewOf(key, s.Clock.Now())}
	d.settings(key)
	d.conditions(key)
	events, err := service.Events(ctx, key)
	d.timeline(operations.Timeline(key, events), err)
	if d.view.Ended() {
		d.ended()
	} else {
		d.policies(key, service.Surroundings(ctx))
		if err := d.grants(ctx, service, key); err != nil {
			return err
		}
	}
	_, err = io.WriteString(s.Out, d.text.String())

	return err
}

// description is the text about one key.
type description struct {
	text   strings.Builder
	now    time.Time
	colour bool
	view   operations.View
}

func (d *description) line(format string, args ...any) {
	d.text.WriteString(output.Clean(fmt.Sprintf(format, args...)) + "\n")
}

func (d *description) field(name, value string) {
	if value != "" {
		d.line("%-16s%s", name+":", value)
	}
}

func (d *description) settings(key *v1alpha1.APIKey) {
	view := d.view
	d.field("Name", operations.NameOf(key).String())
	d.field("Display name", view.DisplayName)
	d.field("Environment", string(view.Environment))
	d.text.WriteString("Status:         " + output.Paint(string(view.Status), output.Status(view.Status).Colour, d.colour) + "\n")
	d.field("Permissions", output.Permissions(view.Permissions, view.Roles))
	customers := "every customer"
	if len(key.Spec.Customers) > 0 {
		customers = fmt.Sprint(key.Spec.Customers)
	}
	d.field("Customers", customers)
	d.field("Owner", view.Owner)
	d.field("Rate limit", output.Limit(view.Limit))
	if rotation := key.Spec.Rotation; rotation != nil {
		d.field("Rotation", fmt.Sprintf("every %s, overlap %s", orAny(string(rotation.Every), "request"), orAny(string(rotation.Overlap), "0s")))
	}
	d.field("Expires", d.end())
	d.field("Last used", output.Ago(view.LastUsed, d.now))
	if view.Secret != "" {
		d.field("Secret", view.Secret+", under "+key.SecretDataKey())
	}
	if view.Delivery.Once {
		d.field("Delivery", "once, "+strings.TrimPrefix(output.Delivery(view.Delivery, d.now), "once"))
	}
	if key.DeletionTimestamp != nil {
		d.field("Deleting", "since "+key.DeletionTimestamp.UTC().Format(time.RFC3339)+": verifiers refuse the key")
	}
}

// end returns when the key ends by itself.
func (d *description) end() string {
	switch {
	case d.view.Status == v1alpha1.PhaseRevoked:
		return "ended: it was revoked"
	case d.view.Expires == nil:
		return output.Never
	case d.view.Ended():
		return d.view.Expires.UTC().Format(time.RFC3339) + " (ended)"
	default:
		return d.view.Expires.UTC().Format(time.RFC3339) + " (in " + output.In(d.view.Expires, d.now) + ")"
	}
}

func (d *description) conditions(key *v1alpha1.APIKey) {
	d.line("Conditions:")
	if len(key.Status.Conditions) == 0 {
		d.line("  none yet: the operator has not reported on the key")
	}
	for _, c := range key.Status.Conditions {
		d.line("  %s is %s (%s): %s", c.Type, c.Status, c.Reason, c.Message)
	}
}

func (d *description) timeline(moments []operations.Moment, unread error) {
	d.line("Timeline:")
	for _, moment := range moments {
		if d.view.Ended() && moment.At.After(d.now) {
			continue // it will not come to that
		}
		when := output.Ago(&moment.At, d.now) + " ago"
		if moment.At.After(d.now) {
			when = "in " + output.In(&moment.At, d.now)
		}
		d.line("  %s  %-10s  %s", moment.At.UTC().Format(time.RFC3339), when, moment.What)
	}
	if unread != nil {
		d.line("  Events are left out: %v", unread)
	}
}

func (d *description) policies(key *v1alpha1.APIKey, around operations.Surroundings) {
	d.line("Policies:")
	selected := around.PoliciesFor(key)
	for _, p := range selected {
		d.line("  APIKeyPolicy %s", p.Name)
	}
	for _, violation := range policy.TermsOf(key, selected).Violations(d.now) {
		d.line("    not met: %s", violation)
	}
	switch {
	case len(around.Unread) > 0:
		d.line("  %s Policies may be missing here.", unreadNote(around))
	case len(selected) == 0:
		d.line("  none")
	}
}

// ended tells what can still be done with a key that is dead for good. Policies and grants do not matter to it any more.
func (d *description) ended() {
	d.line("Policies:")
	d.line("  not judged: the key has ended")
	d.line("Grants:")
	d.line("  The key has ended, so that nobody can rotate, resume or extend it. You need no grants to rename and delete it. Create another one")
	d.line("  instead: %s create NAME --environment %s -n %s", program, d.view.Environment, d.view.Namespace)
}

// grants tells which grants for this key the person lacks, and who has them.
func (d *description) grants(ctx context.Context, service operations.Service, key *v1alpha1.APIKey) error {
	missing, err := service.Missing(ctx, key.Namespace, operations.GrantsFor(key))
	if err != nil {
		return err
	}
	d.line("Grants:")
	if len(missing) == 0 {
		d.line("  You have all that this key needs, so you can rotate, resume and extend it.")

		return nil
	}
	granters, unread := service.Granters(ctx, key.Namespace)
	for _, grant := range missing {
		who := strings.Join(granters.Of(grant), ", ")
		switch {
		case unread != nil:
			who = "you may not see who has it"
		case who == "":
			who = "nobody has it by RBAC"
		default:
			who = "held by " + who
		}
		d.line("  You lack %s: %s.", grant, who)
	}
	if unread != nil {
		d.line("  %v", unread)
	}
	d.line("  Without them you can rename, suspend, narrow, revoke and delete the key, and not rotate, resume or extend it.")

	return nil
}
