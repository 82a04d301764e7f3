// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Follower receives what Follow reads. Calls come from one goroutine; an APIKey must not be kept after the call.
type Follower interface {
	// Listing begins a list: what was received before is only kept where the list holds it too.
	Listing()
	// Set receives an APIKey that was listed, made or changed.
	Set(key *v1alpha1.APIKey)
	// Remove receives the name of an APIKey that was deleted.
	Remove(name types.NamespacedName)
	// Listed ends a list. Everything after it is news.
	Listed()
	// Watching tells that the API server has accepted the watch.
	Watching()
}

// Follow lists the APIKeys of a namespace, or of all for an empty one, and follows their changes until the context or the
// connection ends. It lists again where the API server no longer knows the version that the watch had come to. It returns an error
// that is never nil.
func (s Service) Follow(ctx context.Context, namespace string, to Follower) error {
	for {
		to.Listing()
		version, err := s.List(ctx, Filter{Namespace: namespace}, func(page []v1alpha1.APIKey) error {
			for i := range page {
				to.Set(&page[i])
			}

			return nil
		})
		if err != nil {
			return err
		}
		to.Listed()
		for err == nil {
			version, err = s.followOnce(ctx, namespace, version, to)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err) {
			return WithMissingRule(err)
		}
	}
}

// followOnce follows one watch to its end, and returns the version that it has come to.
func (s Service) followOnce(ctx context.Context, namespace, version string, to Follower) (string, error) {
	events, err := s.Client.Watch(ctx, &v1alpha1.APIKeyList{}, &client.ListOptions{
		Namespace: namespace, Raw: &metav1.ListOptions{ResourceVersion: version, AllowWatchBookmarks: true},
	})
	if err != nil {
		return version, err
	}
	defer events.Stop()
	to.Watching()
	for event := range events.ResultChan() {
		key, isKey := event.Object.(*v1alpha1.APIKey)
		switch {
		case event.Type == watch.Error:
			return version, apierrors.FromObject(event.Object)
		case !isKey:
			continue
		case event.Type == watch.Deleted:
			to.Remove(NameOf(key))
		case event.Type != watch.Bookmark:
			to.Set(key)
		}
		version = key.ResourceVersion
	}

	return version, ctx.Err()
}
