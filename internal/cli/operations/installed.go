// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Component is a part of the installation.
type Component struct {
	// Component is "manager" or "verifier", as the label app.kubernetes.io/component says, and Image what it runs.
	Component, Image string
}

// Installed returns the images of operator and verifier, by the labels that config/default puts on their Deployments.
func (s Service) Installed(ctx context.Context) ([]Component, error) {
	var deployments appsv1.DeploymentList
	if err := s.Client.List(ctx, &deployments, client.MatchingLabels{"app.kubernetes.io/name": "apikey-operator"}); err != nil {
		return nil, withMissingRule(err)
	}
	var found []Component
	for i := range deployments.Items {
		template := &deployments.Items[i].Spec.Template
		for _, container := range template.Spec.Containers {
			found = append(found, Component{Component: template.Labels["app.kubernetes.io/component"], Image: container.Image})
		}
	}

	return found, nil
}
