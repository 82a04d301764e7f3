// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Watch calls changed with each APIKey that the filter selects and that is made or changed after version, until the context
// ends. The API server ends a watch after some minutes; Watch then goes on where it was, or lists again where the API
// server no longer knows that version.
func (s Service) Watch(ctx context.Context, filter Filter, version string, changed func(*v1alpha1.APIKey) error) error {
	for {
		next, err := s.watchOnce(ctx, filter, version, changed)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case apierrors.IsResourceExpired(err), apierrors.IsGone(err):
			next, err = s.List(ctx, filter, func(page []v1alpha1.APIKey) error { return eachOf(page, changed) })
		}
		if err != nil {
			return WithMissingRule(err)
		}
		version = next
	}
}

// watchOnce follows one watch to its end, and returns the version that it has come to.
func (s Service) watchOnce(ctx context.Context, filter Filter, version string, changed func(*v1alpha1.APIKey) error) (string, error) {
	events, err := s.Client.Watch(ctx, &v1alpha1.APIKeyList{}, &client.ListOptions{
		Namespace: filter.Namespace, LabelSelector: filter.Selector,
		Raw: &metav1.ListOptions{ResourceVersion: version, AllowWatchBookmarks: true},
	})
	if err != nil {
		return version, err
	}
	defer events.Stop()
	for event := range events.ResultChan() {
		key, isKey := event.Object.(*v1alpha1.APIKey)
		switch {
		case event.Type == watch.Error:
			return version, apierrors.FromObject(event.Object)
		case !isKey:
			continue
		case event.Type != watch.Bookmark && event.Type != watch.Deleted && filter.Matches(key, s.Clock.Now()):
			if err := changed(key); err != nil {
				return version, err
			}
		}
		version = key.ResourceVersion
	}

	return version, nil
}

func eachOf(page []v1alpha1.APIKey, changed func(*v1alpha1.APIKey) error) error {
	for i := range page {
		if err := changed(&page[i]); err != nil {
			return err
		}
	}

	return nil
}
