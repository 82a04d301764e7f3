// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
)

// defaultWait is how long a command waits for the operator.
const defaultWait = 2 * time.Minute

// rotateOptions are the flags of rotate.
type rotateOptions struct {
	edit

	overlap string
	wait    bool
	limit   time.Duration
	name    string // of the request
}

// newRotate returns the command that replaces keys.
func newRotate(s *session) *cobra.Command {
	o := &rotateOptions{}
	o.question = "Rotate"
	o.harm = func() string {
		return "Each gets a new key in its Secret. " + o.fate() + " Programs that read the Secret only at their start have to be restarted."
	}
	o.idle = endedNote
	cmd := &cobra.Command{
		Use:     "rotate NAME... | -l SELECTOR",
		Aliases: []string{"regenerate"},
		Short:   "Replace keys; name, permissions and configuration stay",
		Long: `Replace keys by new ones. Name, permissions, limit and every other setting stay; the Secret then holds the new key.

Without --overlap the old key lives on for spec.rotation.overlap, which is 0s where it is not set: then it stops at once. While an
overlap runs, the Secret also holds the old key, as "previous-" before its data key.

A rotation needs the grants for what the key may do, because it extends what was once granted.`,
		Example: `  # Replace a leaked key: the old one stops at once
  kubectl apikey rotate main-website --overlap 0s

  # Replace a key without downtime: the old one works for another ten minutes
  kubectl apikey rotate main-website --overlap 10m

  # Replace all keys of a team in a pipeline
  kubectl apikey rotate -l team=storefront --yes`,
		RunE: func(cmd *cobra.Command, names []string) error { return s.rotate(cmd.Context(), o, names) },
	}
	o.register(s, cmd, "rotation requested")
	flags := cmd.Flags()
	flags.StringVar(&o.overlap, "overlap", "", "How long the old keys stay valid, from 0s to 720h (30d). Not set: as spec.rotation.overlap says.")
	flags.BoolVar(&o.wait, "wait", true, "Wait until the new keys are in their Secrets.")
	flags.DurationVar(&o.limit, "timeout", defaultWait, "How long to wait for each key.")
	completeValues(cmd, "overlap", "0s", "10m", "1h", "24h")

	return cmd
}

// fate says what becomes of the old keys.
func (o *rotateOptions) fate() string {
	switch o.overlap {
	case "":
		return "The old keys live on as long as spec.rotation.overlap says; where it is not set, they stop at once."
	case "0s":
		return "The old keys stop at once."
	default:
		return "The old keys stop after " + o.overlap + "."
	}
}

func (s *session) rotate(ctx context.Context, o *rotateOptions, names []string) error {
	service := operations.Service{Clock: s.Clock}
	var overlap v1alpha1.Duration
	if o.overlap != "" {
		length, text, err := parseSpan(o.overlap)
		if err != nil {
			return err
		}
		if length == 0 {
			text = "0s"
		}
		overlap = text
		o.overlap = string(text)
	}
	request, name, err := service.NewRotateRequest(overlap)
	if err != nil {
		return usagef("--%v", err)
	}
	o.name = name
	o.change = operations.Rotate(request)
	if o.wait {
		o.follow = func(ctx context.Context, service operations.Service, before, after *v1alpha1.APIKey) error {
			return s.awaitRotation(ctx, o, service, before, after)
		}
	}

	return o.run(ctx, s, names)
}

// awaitRotation waits until a key is replaced, and tells which key took the place of which.
func (s *session) awaitRotation(ctx context.Context, o *rotateOptions, service operations.Service, before, after *v1alpha1.APIKey) error {
	rotated, err := service.AwaitRotated(ctx, after, o.name, o.limit)
	if err != nil {
		return err
	}
	text := operations.NameOf(after).String() + ": key " + activeID(rotated) + " is in Secret " + rotated.SecretName()
	if old := activeID(before); old != "" {
		text += " in the place of " + old
		if end := retiringUntil(rotated, old); end != nil {
			text += ", which works until " + end.UTC().Format(time.RFC3339)
		}
	}
	s.say("%s", text)

	return nil
}

// activeID returns the id of the active key; empty: there is none.
func activeID(key *v1alpha1.APIKey) string {
	for _, record := range key.Status.Keys {
		if record.State == v1alpha1.KeyActive {
			return record.ID
		}
	}

	return ""
}

// retiringUntil returns the end of a key that was replaced; nil: it has stopped.
func retiringUntil(key *v1alpha1.APIKey, id string) *time.Time {
	for _, record := range key.Status.Keys {
		if record.ID == id && record.State == v1alpha1.KeyRetiring && record.NotAfter != nil {
			return &record.NotAfter.Time
		}
	}

	return nil
}
