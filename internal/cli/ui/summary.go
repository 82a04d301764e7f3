// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
)

// summary is what the page keeps of an APIKey, so that 10,000 of them fit into memory. It does not change.
type summary struct {
	name types.NamespacedName
	view operations.View
	// ids are those of the keys, newest last.
	ids []string
	// overlapEnds is when the last replaced key stops; the zero time: no key was replaced.
	overlapEnds time.Time
	// stalled and broken are reasons why a person must act: the operator cannot go on, verifiers refuse a key that should work.
	stalled, broken string
	noncompliant    bool
	deleting        bool
	// text is what a search looks at, in lower case.
	text string
	// listing is the number of the list that last held the APIKey.
	listing int
}

// summarize returns what the page keeps of an APIKey.
func summarize(key *v1alpha1.APIKey) *summary {
	// A view in the distant past has the status that the operator reported; statusAt adds what the time makes of it.
	s := &summary{name: operations.NameOf(key), view: operations.ViewOf(key, time.Time{}), deleting: key.DeletionTimestamp != nil}
	for _, record := range key.Status.Keys {
		s.ids = append(s.ids, record.ID)
		if record.State == v1alpha1.KeyRetiring && record.NotAfter != nil && record.NotAfter.After(s.overlapEnds) {
			s.overlapEnds = record.NotAfter.Time
		}
	}
	if c := meta.FindStatusCondition(key.Status.Conditions, v1alpha1.ConditionStalled); c != nil && c.Status == metav1.ConditionTrue {
		s.stalled = c.Reason
	}
	if c := meta.FindStatusCondition(key.Status.Conditions, v1alpha1.ConditionDisputed); c != nil && c.Status == metav1.ConditionTrue {
		s.broken = c.Reason
	}
	s.noncompliant = meta.IsStatusConditionFalse(key.Status.Conditions, v1alpha1.ConditionCompliant)
	words := []string{s.name.Namespace + "/" + s.name.Name, s.view.DisplayName, s.view.Owner}
	for _, permission := range s.view.Permissions {
		words = append(words, string(permission))
	}
	for _, role := range s.view.Roles {
		words = append(words, string(role))
	}
	s.text = strings.ToLower(strings.Join(slices.Concat(words, s.ids), "\n"))

	return s
}

// title returns what people call the key.
func (s *summary) title() string {
	if s.view.DisplayName != "" {
		return s.view.DisplayName
	}

	return s.name.Name
}

// statusAt returns the status at a time.
func (s *summary) statusAt(now time.Time) v1alpha1.Phase {
	if !s.view.Ended() && s.view.Expires != nil && !now.Before(*s.view.Expires) {
		return v1alpha1.PhaseExpired
	}
	if !s.view.Ended() && s.unclaimed(now) {
		return v1alpha1.PhaseRevoked
	}

	return s.view.Status
}

// unclaimed reports whether the key of a one-time delivery was not claimed in time.
func (s *summary) unclaimed(now time.Time) bool {
	deadline := s.view.Delivery.Deadline

	return s.view.Delivery.Missed || deadline != nil && !now.Before(*deadline)
}

// ended reports whether the key is dead for good at a time.
func (s *summary) ended(now time.Time) bool {
	return s.statusAt(now).IsFinal()
}

// keyPath returns the path of the view of a key.
func keyPath(name types.NamespacedName) string { return "/keys/" + name.Namespace + "/" + name.Name }
