// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"context"
	"errors"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// mayNotCreate is the verdict on a user without the right to create APIKeys.
const mayNotCreate = "You may not create keys here."

// verdict is what the API server says about a form before it is sent.
type verdict struct {
	Tone  string `json:"tone"`
	Title string `json:"title"`
	Text  string `json:"text"`
	// Rule is the RBAC rule that is missing; empty: none is.
	Rule string `json:"rule"`
}

// judge lets the API server judge an APIKey without creating it. It returns what to show of the form as a whole, and what is wrong with
// fields, by their names in the form.
func (s *server) judge(ctx context.Context, key *v1alpha1.APIKey) (verdict, map[string]string) {
	_, err := s.Service.Create(ctx, key, true)
	if err == nil {
		return verdict{Tone: toneOK, Title: "The API server would accept this."}, nil
	}

	return verdictOf(err, "The API server would refuse this.")
}

// verdictOf returns what to show of an answer of the API server to an APIKey.
func verdictOf(err error, title string) (verdict, map[string]string) {
	var forbidden *operations.ForbiddenError
	switch {
	case errors.As(err, &forbidden):
		return verdict{Tone: toneBad, Title: mayNotCreate, Text: forbidden.What(), Rule: forbidden.Rule()}, nil
	case apierrors.IsAlreadyExists(err):
		return verdict{Tone: toneBad, Title: title, Text: "There is a key with this name already."},
			map[string]string{"name": "This name is taken in the namespace. Choose another one."}
	case apierrors.IsNotFound(err):
		return verdict{Tone: toneBad, Title: title, Text: sentence(err.Error())}, map[string]string{"namespace": "There is no such namespace."}
	case unreachable(err):
		return verdict{Tone: toneWarn, Title: "The cluster does not answer.", Text: "Nothing was created. What you filled in stays here; try again."}, nil
	}
	text, rule := refusalOf(err)

	return verdict{Tone: toneBad, Title: title, Text: text, Rule: rule}, fieldProblems(err)
}

// refusalOf returns the sentence of a refusal without what surrounds it, and the RBAC rule that it names.
func refusalOf(err error) (text, rule string) {
	text = err.Error()
	if _, after, found := strings.Cut(text, "denied request: "); found { // of a ValidatingAdmissionPolicy
		text = after
	}
	if found := regexp.MustCompile(`^(.*?) An administrator can allow it with .* that has the rule (\{.*\})\.?$`).FindStringSubmatch(text); found != nil {
		text, rule = found[1], found[2]
	}

	return keys.Redact(text), rule
}

// fieldProblems returns what the schema finds wrong with fields, by their names in the form.
func fieldProblems(err error) map[string]string {
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	problems := map[string]string{}
	for _, cause := range status.Status().Details.Causes {
		if field := formField(cause.Field); field != "" && problems[field] == "" {
			problems[field] = sentence(keys.Redact(withoutValue(cause.Message)))
		}
	}

	return problems
}

// withoutValue removes the refused value from a message of the schema: `Invalid value: "x": it must …`.
func withoutValue(message string) string {
	return regexp.MustCompile(`(?s)^(Invalid|Forbidden|Unsupported|Duplicate|Too long|Too many)( value)?: (".*?"|[^:]*): `).ReplaceAllString(message, "")
}

// formField returns the name in the form of a field of the APIKey; empty: the form has none.
func formField(path string) string {
	for _, f := range []struct{ prefix, field string }{
		{"metadata.name", "name"},
		{"spec.displayName", "displayName"},
		{"spec.environment", "environment"},
		{"spec.permissions", "permissions"},
		{"spec.roles", "roles"},
		{"spec.customers", "customers"},
		{"spec.owner", "owner"},
		{"spec.expiresAt", "expires"},
		{"spec.validFor", "expires"},
		{"spec.rateLimit", "limit"},
		{"spec.rotation", "rotation"},
		{"spec.secret", "delivery"},
	} {
		if strings.HasPrefix(path, f.prefix) {
			return f.field
		}
	}

	return ""
}
