// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Moment is something that happened to a key, or will.
type Moment struct {
	At   time.Time
	What string
	// Event is what an event says; nil: the moment comes from the status.
	Event *EventText
}

// EventText is an event without its time.
type EventText struct {
	Warning         bool
	Reason, Message string
}

// Timeline returns what the status of an APIKey and its events tell, the earliest first.
func Timeline(key *v1alpha1.APIKey, events []corev1.Event) []Moment {
	moments := []Moment{{At: key.CreationTimestamp.Time, What: "APIKey created"}}
	add := func(at time.Time, format string, args ...any) {
		if !at.IsZero() {
			moments = append(moments, Moment{At: at, What: fmt.Sprintf(format, args...)})
		}
	}
	addRecords(key, add)
	if last := key.Status.LastRotation; last != nil && last.Trigger != v1alpha1.TriggerCreated {
		add(last.At.Time, "rotated (%s)", last.Trigger)
	}
	if used := key.Status.LastUsedAt; used != nil {
		add(used.Time, "last used")
	}
	if view := ViewOf(key, key.CreationTimestamp.Time); view.Expires != nil {
		add(*view.Expires, "expiry")
	}
	for i := range events {
		event := &events[i]
		at := event.LastTimestamp.Time
		if at.IsZero() {
			at = event.EventTime.Time
		}
		if at.IsZero() {
			at = event.CreationTimestamp.Time
		}
		add(at, "%s %s: %s", event.Type, event.Reason, event.Message)
		moments[len(moments)-1].Event = &EventText{event.Type == corev1.EventTypeWarning, event.Reason, event.Message}
	}
	slices.SortStableFunc(moments, func(a, b Moment) int { return a.At.Compare(b.At) })

	return moments
}

// whyStopped returns why the records of an APIKey end. The events of an APIKey that has ended tell it.
func whyStopped(key *v1alpha1.APIKey) string {
	if key.Status.Phase.IsFinal() {
		return ""
	}

	return ": it was replaced"
}

// addRecords adds what the records of an APIKey tell, and the claim of its key.
func addRecords(key *v1alpha1.APIKey, add func(at time.Time, format string, args ...any)) {
	why := whyStopped(key)
	for _, record := range key.Status.Keys {
		add(record.CreatedAt.Time, "key %s minted", record.ID)
		if record.ClaimDeadline != nil {
			add(record.ClaimDeadline.Time, "key %s is revoked, unless it is claimed before", record.ID)
		}
		if record.NotAfter != nil {
			add(record.NotAfter.Time, "key %s stops%s", record.ID, why)
		}
	}
	if claimed := key.Status.ClaimedAt; claimed != nil {
		add(claimed.Time, "key claimed, its Secret deleted")
	}
}

// Events reads the events about an APIKey.
func (s Service) Events(ctx context.Context, key *v1alpha1.APIKey) ([]corev1.Event, error) {
	var events corev1.EventList
	err := s.Client.List(ctx, &events, &client.ListOptions{
		Namespace: key.Namespace, Limit: pageSize,
		FieldSelector: fields.SelectorFromSet(fields.Set{"involvedObject.uid": string(key.UID)}),
	})

	return events.Items, WithMissingRule(err)
}
