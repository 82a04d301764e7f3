// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// conditionView is a condition in words.
type conditionView struct {
	// Mark is "y" where it is as it should be, "n" where it is not, and "–" where it says neither.
	Mark, Text, Detail string
	Since              moment
}

// conditionsOf returns the conditions of a key in words, in the order of what a person asks first.
func conditionsOf(apikey *v1alpha1.APIKey, now time.Time) []conditionView {
	order := []string{
		v1alpha1.ConditionActive, v1alpha1.ConditionReady, v1alpha1.ConditionCompliant, v1alpha1.ConditionDisputed,
		v1alpha1.ConditionExpiringSoon, v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled,
	}
	conditions := slices.Clone(apikey.Status.Conditions)
	slices.SortStableFunc(conditions, func(a, b metav1.Condition) int { return rank(order, a.Type) - rank(order, b.Type) })
	var views []conditionView
	for i := range conditions {
		c := &conditions[i]
		mark, text := conditionWords(c.Type, c.Status)
		if c.ObservedGeneration < apikey.Generation {
			mark, text = "–", text+" (before the last change)"
		}
		detail := strings.TrimSuffix(c.Message, ".")
		if i > 0 && conditions[i-1].Message == c.Message {
			detail = "" // it stands in the line above
		}
		views = append(views, conditionView{
			mark, text, detail, moment{since(c.LastTransitionTime.Time, now), exact(c.LastTransitionTime.Time, now)},
		})
	}

	return views
}

// rank returns the place of a name in an order; unknown names come last.
func rank(order []string, name string) int {
	if at := slices.Index(order, name); at >= 0 {
		return at
	}

	return len(order)
}

// conditionWords says what a condition means.
func conditionWords(name string, status metav1.ConditionStatus) (mark, text string) {
	type meaning struct{ yes, no, yesMark, noMark string }
	m, known := map[string]meaning{
		v1alpha1.ConditionActive:       {"Verifiers accept the key", "Verifiers refuse the key", "y", "n"},
		v1alpha1.ConditionReady:        {"The cluster is as the key declares", "The cluster is not yet as the key declares", "y", "n"},
		v1alpha1.ConditionCompliant:    {"It meets every policy", "It does not meet every policy", "y", "n"},
		v1alpha1.ConditionDisputed:     {"Another APIKey has a record of the same key", "No other APIKey has a record of the same key", "n", "y"},
		v1alpha1.ConditionExpiringSoon: {"It expires soon", "It does not expire soon", "n", "y"},
		v1alpha1.ConditionReconciling:  {"The operator is at work on it", "The operator has nothing to do", "–", "y"},
		v1alpha1.ConditionStalled:      {"The operator cannot go on by itself", "The operator needs no help", "n", "y"},
	}[name]
	switch {
	case !known:
		return "–", name + " is " + string(status)
	case status == metav1.ConditionTrue:
		return m.yesMark, m.yes
	case status == metav1.ConditionFalse:
		return m.noMark, m.no
	default:
		return "–", name + " is not known yet"
	}
}
