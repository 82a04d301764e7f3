// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"context"

	authorizationv1 "k8s.io/api/authorization/v1"
)

// MayImpersonate returns a ForbiddenError if the user may not act for a service account. Kubernetes knows two ways to allow it: the verb
// impersonate, and since 1.36 the verb impersonate:serviceaccount, which other rights restrict further.
func (s Service) MayImpersonate(ctx context.Context, namespace, account string) error {
	for _, way := range []authorizationv1.ResourceAttributes{
		{Verb: "impersonate", Resource: "serviceaccounts"},
		{Verb: "impersonate:serviceaccount", Group: "authentication.k8s.io", Resource: "serviceaccounts"},
	} {
		way.Namespace, way.Name = namespace, account
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &way}}
		if err := s.Client.Create(ctx, review); err != nil {
			return WithMissingRule(err)
		}
		if review.Status.Allowed {
			return nil
		}
	}
	user, err := s.WhoAmI(ctx)
	if err != nil {
		return err
	}

	return &ForbiddenError{User: user, Verb: "impersonate", Resource: "serviceaccounts", Namespace: namespace}
}
