// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// maxNamespacesNamed is how many namespaces a sentence names.
const maxNamespacesNamed = 5

// policiesView is what the view of the APIKeyPolicies needs.
type policiesView struct {
	Policies []policyCard
	// Unread tells that the user may not list policies.
	Unread bool
}

// policyCard is one APIKeyPolicy in words.
type policyCard struct {
	Name string
	// Where says which namespaces it selects, and Selected which these are now.
	Where, Selected string
	Demands         []demand
}

// demand is what a policy says about one thing.
type demand struct {
	About string
	// Names are what is allowed; Text says anything else.
	Names []string
	Text  string
}

// policies answers with the APIKeyPolicies.
func (s *server) policies(w http.ResponseWriter, r *http.Request) error {
	around := s.Service.Surroundings(r.Context())
	view := policiesView{Unread: slices.Contains(around.Unread, "APIKeyPolicy")}
	for _, p := range around.Policies {
		view.Policies = append(view.Policies, policyCard{
			Name: p.Name, Where: selectorWords(p.Spec.NamespaceSelector), Selected: s.selected(p, around), Demands: demandsOf(&p.Spec),
		})
	}

	return s.render(w, r, http.StatusOK, "policies", page{Title: "Policies", Section: "Policies", Data: view})
}

// selected says which namespaces a policy selects now; empty: the user may not list them.
func (s *server) selected(p *v1alpha1.APIKeyPolicy, around operations.Surroundings) string {
	if len(around.Labels) == 0 || p.Spec.NamespaceSelector == nil {
		return ""
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(around.Labels)) {
		if policy.Selects(p, around.Labels[name]) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "No namespace has these labels now."
	}
	text := "Now: " + strings.Join(names[:min(len(names), maxNamespacesNamed)], ", ")
	if more := len(names) - maxNamespacesNamed; more > 0 {
		text += " and " + plural(more, "more namespace")
	}

	return text + "."
}

// selectorWords returns a selector as a sentence.
func selectorWords(selector *v1alpha1.NamespaceSelector) string {
	if selector == nil {
		return "All namespaces"
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(selector.MatchLabels)) {
		parts = append(parts, name+" is "+string(selector.MatchLabels[name]))
	}
	for i := range selector.MatchExpressions {
		r := &selector.MatchExpressions[i]
		joined := strings.Join(texts(r.Values), " or ")
		switch r.Operator {
		case v1alpha1.NamespaceLabelIn:
			parts = append(parts, r.Key+" is "+joined)
		case v1alpha1.NamespaceLabelNotIn:
			parts = append(parts, r.Key+" is not "+joined)
		case v1alpha1.NamespaceLabelExists:
			parts = append(parts, r.Key+" is set")
		case v1alpha1.NamespaceLabelDoesNotExist:
			parts = append(parts, r.Key+" is not set")
		}
	}

	return "Namespaces whose label " + strings.Join(parts, " and ")
}

// demandsOf returns what a policy demands, in the order of the form that creates a key.
func demandsOf(spec *v1alpha1.APIKeyPolicySpec) []demand {
	var demands []demand
	add := func(about string, names []string, sentences ...string) {
		text := strings.Join(slices.DeleteFunc(sentences, func(s string) bool { return s == "" }), " ")
		if len(names) > 0 || text != "" {
			demands = append(demands, demand{About: about, Names: names, Text: text})
		}
	}
	add("Environments", texts(spec.Environments))
	add("Permissions", texts(spec.Permissions))
	add("Roles", texts(spec.Roles))
	if c := spec.Customers; c != nil {
		add("Customers", texts(c.Allowed), when(c.Required, "Every key names its customers."))
	}
	if e := spec.Expiry; e != nil {
		add("Expiry", nil,
			spanSentence("A key without an expiry ends after %s.", e.Default), spanSentence("A key lives at most %s.", e.Maximum),
			when(e.Required && e.Default == "", "Every key has an expiry."))
	}
	if l := spec.RateLimit; l != nil {
		add("Rate limit", nil, limitDemand("A key without a limit gets %s.", l.Default), limitDemand("At most %s.", l.Maximum))
	}
	if r := spec.Rotation; r != nil {
		add("Rotation", nil, when(r.Required, "Every key is regenerated on a schedule."),
			spanSentence("A key is replaced after at most %s.", r.MaximumAge), spanSentence("An old key works at most %s longer.", r.MaximumOverlap))
	}
	if x := spec.Secret; x != nil {
		add("Labels of the Secret", texts(x.LabelPrefixes))
		add("Annotations of the Secret", texts(x.AnnotationPrefixes))
	}

	return demands
}

func when(holds bool, text string) string {
	if holds {
		return text
	}

	return ""
}

// spanSentence returns a sentence about a length of time; empty: it is not set.
func spanSentence(format string, length v1alpha1.Duration) string {
	if length == "" {
		return ""
	}
	parsed, ok := length.Parse()
	switch {
	case ok && parsed == year:
		return fmt.Sprintf(format, "1 year")
	case ok:
		return fmt.Sprintf(format, span(parsed))
	default:
		return fmt.Sprintf(format, length)
	}
}

// limitDemand returns a sentence about a rate limit; empty: it is not set.
func limitDemand(format string, limit *v1alpha1.RateLimit) string {
	if limit == nil {
		return ""
	}

	return fmt.Sprintf(format, limitSentence(limit))
}
