// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"context"

	authenticationv1 "k8s.io/api/authentication/v1"
)

// WhoAmI returns the name by which the API server knows the user.
func (s Service) WhoAmI(ctx context.Context) (string, error) {
	review := &authenticationv1.SelfSubjectReview{}
	if err := s.Client.Create(ctx, review); err != nil {
		return "", WithMissingRule(err)
	}

	return review.Status.UserInfo.Username, nil
}
