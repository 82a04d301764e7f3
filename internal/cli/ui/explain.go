// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// explainForm asks why a call is refused.
type explainForm struct {
	Environments []string
	// Environment is that of the key.
	Environment string
	// Permissions and Customers are proposals.
	Permissions, Customers []string
	// Answer is that to the last question; nil: none was asked.
	Answer *explainAnswer
}

// explainAnswer is what a verifier would do. It holds no key.
type explainAnswer struct {
	Allowed bool
	// Answer is the status and the reason.
	Answer string
	// Question repeats what was asked, without the key.
	Question string
	// Owner and OwnerPath lead to the APIKey that has the pasted key, where it is another one; empty: it is this one, or none.
	Owner, OwnerPath string
	// Refusals are the checks that refuse the call, and Passed those that do not.
	Refusals, Passed []string
	Remedies         []operations.Remedy
	// Narrow tells that only the keys of this namespace could be looked at.
	Narrow bool
}

// newExplainForm returns the form with proposals from a key.
func newExplainForm(apikey *v1alpha1.APIKey, around operations.Surroundings) *explainForm {
	form := &explainForm{Environments: environments(), Environment: string(apikey.Spec.Environment)}
	for _, p := range permissionsOf(apikey, around) {
		if !strings.HasPrefix(p.Name, "role ") {
			form.Permissions = append(form.Permissions, p.Name)
		}
	}
	for _, c := range apikey.Spec.Customers {
		form.Customers = append(form.Customers, string(c))
	}

	return form
}

// explain finds out why a call is refused. The answer waits for the view of the key, so that the key that was pasted is in no page that
// Back or a reload could bring up again.
func (s *server) explain(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	apikey, err := s.read(r)
	if err != nil {
		return err
	}
	shown := func(field string) string { return keys.Redact(strings.TrimSpace(r.PostForm.Get(field))) } // the answer repeats it
	question := operations.Question{
		Key: strings.TrimSpace(r.PostForm.Get("key")), Environment: v1alpha1.Environment(shown("environment")),
		Permission: v1alpha1.Permission(shown("permission")), Customer: v1alpha1.Customer(shown("customer")),
	}
	path := keyPath(operations.NameOf(apikey))
	if question.Key == "" {
		digest, found := operations.NewestDigest(apikey)
		if !found {
			return s.redirect(w, r, path, flash{toneWarn, "There is no key to ask about.", "The operator has handed out none, or it has ended."})
		}
		question.Digest = digest
	}
	fleet, narrow, err := s.fleetFor(r.Context(), apikey.Namespace)
	if err != nil {
		return err
	}
	explanation, err := operations.Explain(question, fleet, s.Service.Clock.Now())
	if err != nil {
		return err
	}
	answer := newAnswer(question, explanation, apikey)
	answer.Narrow = narrow && question.Key != ""
	s.session.answers.leave(path, *answer)
	http.Redirect(w, r, path+"#answer", http.StatusSeeOther) //nolint:gosec // G710: the path is that of a key that was read

	return nil
}

// fleetFor reads all keys, or those of the namespace alone where the user may read no more.
func (s *server) fleetFor(ctx context.Context, namespace string) (fleet operations.Fleet, narrow bool, err error) {
	var forbidden *operations.ForbiddenError
	fleet, err = s.Service.Fleet(ctx, "")
	if errors.As(err, &forbidden) && forbidden.Namespace == "" && forbidden.Resource == "apikeys" {
		fleet, err = s.Service.Fleet(ctx, namespace)

		return fleet, true, err
	}

	return fleet, false, err
}

// newAnswer returns what to show of an explanation.
func newAnswer(question operations.Question, explanation operations.Explanation, apikey *v1alpha1.APIKey) *explainAnswer {
	answer := &explainAnswer{
		Allowed: explanation.Reason == access.Allowed, Answer: fmt.Sprintf("%d %s", explanation.Reason.Code(), explanation.Reason),
		Question: questionWords(question), Remedies: explanation.Remedies,
	}
	if owner := explanation.APIKey; owner != nil && owner.UID != apikey.UID {
		answer.Owner, answer.OwnerPath = operations.NameOf(owner).String(), keyPath(operations.NameOf(owner))
	}
	for _, step := range explanation.Steps {
		words := capital(operations.CheckWords(step.Reason, question))
		switch {
		case step.Refuses:
			answer.Refusals = append(answer.Refusals, fmt.Sprintf("%s (%d %s)", step.Reason.Detail(), step.Reason.Code(), step.Reason))
		case !slices.Contains(answer.Passed, words):
			answer.Passed = append(answer.Passed, words)
		}
	}

	return answer
}

// questionWords repeats a question without its key.
func questionWords(question operations.Question) string {
	what := "This key"
	if question.Key != "" {
		what = "The pasted key"
	}
	if question.Environment != "" {
		what += ", at an endpoint of " + string(question.Environment)
	}
	if question.Permission != "" {
		what += " that needs " + string(question.Permission)
	}
	if question.Customer != "" {
		what += ", for the customer " + string(question.Customer)
	}

	return what
}
