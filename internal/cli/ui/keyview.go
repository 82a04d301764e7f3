// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// keyView is what the view of a key shows.
type keyView struct {
	Namespace, Name, Title, Path string
	Chip                         chip
	// Notes are what a person has to know first.
	Notes        []flash
	Environment  string
	Permissions  []permission
	Customers    []string
	Limit, Owner string
	Created      moment
	Expires      moment
	Soon         bool
	Used         moment
	Rotation     string
	// Secret is the name of the Secret and DataKey the entry in it; empty: there is none.
	Secret, DataKey string
	// Delivery says how far the delivery of a key is that is handed out once; empty: its Secret stays.
	Delivery   string
	IDs        []keyID
	Conditions []conditionView
	Policies   []policyRef
	// PoliciesUnread tells that policies may be missing, because the user may not read all that decides about them.
	PoliciesUnread bool
	Timeline       []timelineEntry
	EventsUnread   bool
	// Lacking are the grants for this key that the user does not have.
	Lacking []string
	Actions []action
	Form    *actionForm
	Explain *explainForm
}

// permission is something that a key may do, and the role that it comes from; no Role: it is listed.
type permission struct{ Name, Role string }

// ThroughRoles says which roles give the key permissions, and how many.
func (v *keyView) ThroughRoles() []string {
	var roles []string
	counts := map[string]int{}
	for _, p := range v.Permissions {
		if p.Role != "" && counts[p.Role] == 0 {
			roles = append(roles, p.Role)
		}
		counts[p.Role]++
	}
	for i, role := range roles {
		roles[i] = number(counts[role]) + " through role " + role
	}

	return roles
}

// keyID is the id of a key, and what becomes of it.
type keyID struct{ ID, State string }

// policyRef is an APIKeyPolicy that applies to a key, with what it reports.
type policyRef struct {
	Name       string
	Violations []string
}

// newKeyView returns the view of a key, without what has to be read beside it.
func newKeyView(apikey *v1alpha1.APIKey, around operations.Surroundings, now time.Time) *keyView {
	s := summarize(apikey)
	v := &keyView{
		Namespace: apikey.Namespace, Name: apikey.Name, Title: s.title(), Path: keyPath(s.name), Chip: chipOf(s, now),
		Environment: string(apikey.Spec.Environment), Permissions: permissionsOf(apikey, around), Limit: limitSentence(s.view.Limit),
		Owner: apikey.Spec.Owner, Expires: expirySentence(s, now), Used: usedWords(s.view.LastUsed, now),
		Created: moment{date(s.view.Created, now), exact(s.view.Created, now)}, Secret: s.view.Secret, DataKey: apikey.SecretDataKey(),
		Soon:     !s.ended(now) && s.view.Expires != nil && s.view.Expires.Sub(now) <= expiringWithin,
		Rotation: rotationWords(apikey.Spec.Rotation), Conditions: conditionsOf(apikey, now), PoliciesUnread: len(around.Unread) > 0,
	}
	for _, customer := range apikey.Spec.Customers {
		v.Customers = append(v.Customers, string(customer))
	}
	for _, record := range slices.Backward(apikey.Status.Keys) {
		v.IDs = append(v.IDs, keyID{record.ID, recordWords(record, now)})
	}
	v.Delivery = deliveryWords(s, now)
	v.Notes = notesFor(apikey, s, now)
	v.Policies = policiesOf(apikey, around, now)

	return v
}

// deliveryWords says how far the delivery of a key is that is handed out once.
func deliveryWords(s *summary, now time.Time) string {
	switch delivery := s.view.Delivery; {
	case !delivery.Once:
		return ""
	case s.unclaimed(now):
		return "once; it was not claimed in time, and so was revoked"
	case delivery.ClaimedAt != nil:
		return "once; claimed " + since(*delivery.ClaimedAt, now) + ", and no copy is left in the cluster"
	case delivery.Deadline != nil:
		return "once; it is revoked unless it is claimed until " + clockTime(*delivery.Deadline, now)
	default:
		return "once"
	}
}

// permissionsOf returns all that a key may do: what it lists, then what its roles add.
func permissionsOf(apikey *v1alpha1.APIKey, around operations.Surroundings) []permission {
	var all []permission
	for _, p := range apikey.Spec.Permissions {
		all = append(all, permission{Name: string(p)})
	}
	for _, role := range apikey.Spec.Roles {
		granted := around.Roles[role]
		for _, p := range granted {
			if !slices.ContainsFunc(all, func(known permission) bool { return known.Name == string(p) }) {
				all = append(all, permission{string(p), string(role)})
			}
		}
		if len(granted) == 0 { // unknown to the page, or empty
			all = append(all, permission{"role " + string(role), string(role)})
		}
	}

	return all
}

// expirySentence says when a key ends, with the date.
func expirySentence(s *summary, now time.Time) moment {
	if s.view.Expires == nil {
		return moment{Words: "never"}
	}

	return moment{date(*s.view.Expires, now) + ", " + until(*s.view.Expires, now), exact(*s.view.Expires, now)}
}

// rotationWords says when the operator replaces the key by itself.
func rotationWords(rotation *v1alpha1.Rotation) string {
	if rotation == nil || rotation.Every == "" && rotation.Overlap == "" {
		return "on request; the old key stops at once"
	}
	text := "on request"
	if rotation.Every != "" {
		text = "every " + strings.TrimPrefix(lengthWords(rotation.Every), "1 ")
	}
	if rotation.Overlap == "" || rotation.Overlap == "0s" {
		return text + "; the old key stops at once"
	}

	return text + "; the old key works for another " + lengthWords(rotation.Overlap)
}

// recordWords says what becomes of a key.
func recordWords(record v1alpha1.KeyRecord, now time.Time) string {
	switch {
	case record.State == v1alpha1.KeyActive:
		return "in use since " + date(record.CreatedAt.Time, now)
	case record.State == v1alpha1.KeyPending:
		return "about to be handed out"
	case record.NotAfter == nil || !record.NotAfter.After(now):
		return "stopped"
	default:
		return "replaced, works until " + clockTime(record.NotAfter.Time, now)
	}
}

// conditionNotes returns what the conditions of a key say that a person has to know first.
func conditionNotes(apikey *v1alpha1.APIKey, ended bool) []flash {
	if ended {
		return nil
	}
	var notes []flash
	for _, c := range apikey.Status.Conditions {
		switch {
		case c.Status != metav1.ConditionTrue:
		case c.Type == v1alpha1.ConditionStalled, c.Type == v1alpha1.ConditionDisputed:
			notes = append(notes, flash{toneBad, "This key needs you.", c.Message})
		case c.Type == v1alpha1.ConditionExpiringSoon:
			notes = append(notes, flash{toneWarn, "This key expires soon.", c.Message})
		}
	}

	return notes
}

// notesFor returns what a person has to know of a key first.
func notesFor(apikey *v1alpha1.APIKey, s *summary, now time.Time) []flash {
	notes := conditionNotes(apikey, s.ended(now))
	for _, record := range apikey.Status.Keys {
		if record.State == v1alpha1.KeyRetiring && record.NotAfter != nil && record.NotAfter.After(now) && !s.ended(now) {
			notes = append(notes, flash{
				toneWarn, "The old key " + record.ID + " still works.", "It stops at " + clockTime(record.NotAfter.Time, now) + ", " +
					until(record.NotAfter.Time, now) + ".",
			})
		}
	}
	if status := s.statusAt(now); status == v1alpha1.PhaseExpired {
		notes = append(notes, flash{toneOff, "This key has expired.", "It cannot be renewed. Create another one for what still needs access."})
	}

	return notes
}

// policiesOf returns the policies that select a key, with what each finds wrong.
func policiesOf(apikey *v1alpha1.APIKey, around operations.Surroundings, now time.Time) []policyRef {
	var refs []policyRef
	for _, p := range around.PoliciesFor(apikey) {
		refs = append(refs, policyRef{p.Name, policy.TermsOf(apikey, []*v1alpha1.APIKeyPolicy{p}).Violations(now)})
	}

	return refs
}
