// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"context"
	"errors"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// pageSize is how many APIKeys one request asks for. The first page of a large list arrives within milliseconds.
const pageSize = 500

// Filter selects APIKeys. The zero value selects all of the cluster.
type Filter struct {
	// Namespace limits the list to one namespace; empty: all namespaces.
	Namespace string
	// Selector selects by labels; nil: every APIKey.
	Selector labels.Selector
	// Statuses selects by status; none: every status.
	Statuses []v1alpha1.Phase
	// ExpiresWithin selects usable keys that end within this time; 0: regardless of their end.
	ExpiresWithin time.Duration
	// UnusedFor selects usable keys that were made and last used at least this long ago; 0: regardless of their use.
	UnusedFor time.Duration
}

// Matches reports whether the filter selects an APIKey. Namespace and labels are the API server's part.
func (f Filter) Matches(key *v1alpha1.APIKey, now time.Time) bool {
	view := ViewOf(key, now)
	if len(f.Statuses) > 0 && !slices.Contains(f.Statuses, view.Status) {
		return false
	}
	if f.ExpiresWithin > 0 && (view.Ended() || view.Expires == nil || view.Expires.Sub(now) > f.ExpiresWithin) {
		return false
	}

	return f.UnusedFor <= 0 || !view.Ended() && view.Idle(now) >= f.UnusedFor
}

// List calls page with the APIKeys that the filter selects, page by page in the order of namespace and name, and returns the
// resourceVersion of the list. No more than one page is in memory. An error of page ends the list and is returned.
func (s Service) List(ctx context.Context, filter Filter, page func([]v1alpha1.APIKey) error) (string, error) {
	for next := ""; ; {
		var list v1alpha1.APIKeyList
		err := s.Client.List(ctx, &list, &client.ListOptions{
			Namespace: filter.Namespace, LabelSelector: filter.Selector, Limit: pageSize, Continue: next,
		})
		if resumed, ok := resumeAt(err); ok && next != "" && resumed != next {
			next = resumed

			continue
		}
		if err != nil {
			return "", WithMissingRule(err)
		}
		now := s.Clock.Now()
		selected := slices.DeleteFunc(list.Items, func(key v1alpha1.APIKey) bool { return !filter.Matches(&key, now) })
		if err := page(selected); err != nil {
			return "", err
		}
		if next = list.Continue; next == "" {
			return list.ResourceVersion, nil
		}
	}
}

// All returns every APIKey that the filter selects.
func (s Service) All(ctx context.Context, filter Filter) ([]v1alpha1.APIKey, error) {
	var all []v1alpha1.APIKey
	_, err := s.List(ctx, filter, func(page []v1alpha1.APIKey) error {
		all = append(all, page...)

		return nil
	})

	return all, err
}

// resumeAt returns where a list goes on whose continue token has expired: the reader was slower than the API server keeps
// old versions. What follows is then newer than what came before.
func resumeAt(err error) (string, bool) {
	var status apierrors.APIStatus
	if !apierrors.IsResourceExpired(err) || !errors.As(err, &status) {
		return "", false
	}
	next := status.Status().Continue

	return next, next != ""
}
