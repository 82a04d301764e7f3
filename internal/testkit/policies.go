// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// policiesPoll is how often a request shows whether the API server applies an APIKeyPolicy.
const policiesPoll = 5 * time.Millisecond

// Policies waits for the APIKeyPolicies of a control plane. The zero value is ready. It is not safe for concurrent use.
type Policies struct {
	// marker is an APIKeyPolicy for a namespace of its own, which nothing else uses.
	marker    *v1alpha1.APIKeyPolicy
	namespace string
	changes   int
}

// Await waits until the API server applies every APIKeyPolicy as it is now. The API server receives the changes of all of them in
// order, so it has every earlier change once it applies a new one.
func (p *Policies) Await(ctx context.Context, admin client.Client) error {
	if p.marker == nil {
		if err := p.create(ctx, admin); err != nil {
			return err
		}
	}
	p.changes++
	role := fmt.Sprintf("change-%d", p.changes)
	p.marker.Spec.Roles[0] = v1alpha1.RoleName(role)
	if err := admin.Update(ctx, p.marker); err != nil {
		return err
	}
	probe := &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, GenerateName: "probe-"},
		Spec:       v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentProduction, Roles: []v1alpha1.RoleName{"none"}},
	}
	var answer error
	err := wait.PollUntilContextCancel(ctx, policiesPoll, true, func(ctx context.Context) (bool, error) {
		answer = admin.Create(ctx, probe.DeepCopy(), client.DryRunAll)

		return answer != nil && strings.Contains(answer.Error(), `it allows "`+role+`".`), nil
	})
	if err != nil {
		return fmt.Errorf("the API server does not apply a changed APIKeyPolicy: %w; its last answer was: %w", err, answer)
	}

	return nil
}

// create creates the marker and its namespace.
func (p *Policies) create(ctx context.Context, admin client.Client) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "marker-"}}
	if err := admin.Create(ctx, namespace); err != nil {
		return err
	}
	marker := &v1alpha1.APIKeyPolicy{ObjectMeta: metav1.ObjectMeta{Name: "marker"}}
	marker.Spec.NamespaceSelector = &v1alpha1.NamespaceSelector{
		MatchLabels: map[string]v1alpha1.LabelValue{corev1.LabelMetadataName: v1alpha1.LabelValue(namespace.Name)},
	}
	marker.Spec.Roles = []v1alpha1.RoleName{"first"}
	if err := admin.Create(ctx, marker); err != nil {
		return err
	}
	p.marker, p.namespace = marker, namespace.Name

	return nil
}
