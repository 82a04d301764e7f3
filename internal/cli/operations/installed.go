// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"context"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Component is a part of the installation.
type Component struct {
	// Component is "manager" or "verifier", as the label app.kubernetes.io/component says.
	Component string `json:"component"`
	Namespace string `json:"namespace"`
	// Version is the label app.kubernetes.io/version, or else the tag of the image, or else its digest.
	Version string `json:"version"`
	Image   string `json:"image"`
	// Ready is how many replicas are ready, and Wanted how many there should be.
	Ready  int32 `json:"ready"`
	Wanted int32 `json:"wanted"`
}

// Installed returns what operator and verifier run, by the labels that the installation puts on their Deployments.
func (s Service) Installed(ctx context.Context) ([]Component, error) {
	var deployments appsv1.DeploymentList
	if err := s.Client.List(ctx, &deployments, client.MatchingLabels{"app.kubernetes.io/name": "apikey-operator"}); err != nil {
		return nil, WithMissingRule(err)
	}
	var found []Component
	for i := range deployments.Items {
		deployment := &deployments.Items[i]
		wanted := int32(1) // the default of the API server
		if deployment.Spec.Replicas != nil {
			wanted = *deployment.Spec.Replicas
		}
		for _, container := range deployment.Spec.Template.Spec.Containers {
			found = append(found, Component{
				Component: deployment.Spec.Template.Labels["app.kubernetes.io/component"], Namespace: deployment.Namespace,
				Version: versionOf(deployment.Labels["app.kubernetes.io/version"], container.Image), Image: container.Image,
				Ready: deployment.Status.ReadyReplicas, Wanted: wanted,
			})
		}
	}

	return found, nil
}

// versionOf returns the label, or else what the image is named by.
func versionOf(label, image string) string {
	if label != "" {
		return label
	}
	name, digest, byDigest := strings.Cut(image, "@")
	if at := strings.LastIndexByte(name, ':'); at > strings.LastIndexByte(name, '/') {
		return name[at+1:]
	}
	if byDigest {
		return digest
	}

	return "latest"
}
