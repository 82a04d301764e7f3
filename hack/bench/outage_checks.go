// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

func (o *outageSubjects) isRotated(ctx context.Context) error {
	if err := o.site.active(ctx, o.rotated); err != nil {
		return err
	}
	if last := o.rotated.Status.LastRotation; last == nil || last.Value != o.value {
		return errors.New("not rotated yet")
	}

	return nil
}

func (o *outageSubjects) isDeleted(ctx context.Context) error {
	err := o.site.client.Get(ctx, client.ObjectKeyFromObject(o.revoked), &corev1.Secret{})
	if err == nil {
		return errors.New("the Secret is still there")
	}

	return client.IgnoreNotFound(err)
}

func (o *outageSubjects) isMintedAgain(ctx context.Context) error {
	if err := o.site.active(ctx, o.secret); err != nil {
		return err
	}
	if ref := o.secret.Status.SecretRef; ref == nil || ref.UID == o.uid {
		return errors.New("no new Secret yet")
	}

	return nil
}

// compliant checks the condition that follows from the policy.
func (o *outageSubjects) compliant(ctx context.Context, want metav1.ConditionStatus) error {
	if err := o.site.client.Get(ctx, client.ObjectKeyFromObject(o.policed), o.policed); err != nil {
		return err
	}
	if c := meta.FindStatusCondition(o.policed.Status.Conditions, v1alpha1.ConditionCompliant); c == nil || c.Status != want {
		return fmt.Errorf("the condition Compliant is not %s yet", want)
	}

	return nil
}

// active checks that an APIKey has a key.
func (s *outageSite) active(ctx context.Context, key *v1alpha1.APIKey) error {
	err := s.client.Get(ctx, client.ObjectKeyFromObject(key), key)
	if err == nil && (key.Status.Phase != v1alpha1.PhaseActive || key.Status.ObservedGeneration != key.Generation) {
		return fmt.Errorf("%s is %s", key.Name, key.Status.Phase)
	}
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("%s is gone: %w", key.Name, err)
	}

	return err
}

// answers checks the answer of the verifier about a key.
func (s *outageSite) answers(ctx context.Context, key string, code int) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.verifier.http+"/verify?environment=Production", http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("X-API-Key", key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode != code {
		return fmt.Errorf("the verifier answers %s, not %d", response.Status, code)
	}

	return nil
}
