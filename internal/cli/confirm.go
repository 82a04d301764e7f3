// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"strings"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/cli/output"
)

// maxListed is how many APIKeys a question names.
const maxListed = 20

// confirm tells what will break, and asks.
func (e *edit) confirm(ctx context.Context, s *session, service operations.Service, keys []v1alpha1.APIKey) error {
	if !s.InTerminal {
		return errNoTerminal
	}
	consumers := service.FindConsumers(ctx, keys[0].Namespace) // one namespace: -n, or the context's
	s.say("%s %s:", e.question, output.Count(len(keys), "key"))
	for i := range keys {
		if i == maxListed {
			s.say("  and %d more", len(keys)-i)

			break
		}
		s.say("  %s", e.describe(s, &keys[i], consumers))
	}
	s.say("%s", e.harm())
	if len(consumers.Unseen) > 0 {
		s.say("You may not list these workloads, some of which may read the Secrets: %s.", strings.Join(consumers.Unseen, ", "))
	}

	return s.asks.Confirm(ctx, "Continue?")
}

// describe returns what a person has to know of a key before it stops.
func (e *edit) describe(s *session, key *v1alpha1.APIKey, consumers operations.Consumers) string {
	now := s.Clock.Now()
	view := operations.ViewOf(key, now)
	facts := []string{string(view.Environment), strings.ToLower(string(view.Status))}
	if view.LastUsed == nil {
		facts = append(facts, "never used")
	} else {
		facts = append(facts, "last used "+output.Ago(view.LastUsed, now)+" ago")
	}
	if readers := consumers.Of(key); len(readers) > 0 {
		facts = append(facts, "Secret "+key.SecretName()+" is read by "+strings.Join(readers, ", "))
	}
	name := operations.NameOf(key).String()
	if view.DisplayName != "" {
		name += ` "` + view.DisplayName + `"`
	}

	return output.Clean(name + ": " + strings.Join(facts, ", "))
}
