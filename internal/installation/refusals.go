// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"context"
	"fmt"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

const (
	mergePatch = types.MergePatchType
	// probeAnnotation is put on APIKeys in dry runs.
	probeAnnotation = v1alpha1.GroupName + "/" + probeName
	// probeOwner is a user that does not exist and that the impersonated user may not create keys for.
	probeOwner = probeName + "@apikey-operator.io"
	// longRequest is more bytes than the rotate annotation may take.
	longRequest = 8 << 10
	// longLife is a lifetime that no APIKey has, and the maximum of the temporary policy is half of it.
	longLife, halfLife = "900000h", "450000h"
)

// refusal sends a request that one guardrail must refuse, and returns the answer.
type refusal func(*site, context.Context) error

// refusals returns the requests by the name of the guardrail.
func refusals() map[string]refusal {
	return map[string]refusal{
		"grants":    (*site).keyForAnotherOwner,
		"limits":    (*site).keyBeyondPolicy,
		"operator":  (*site).otherSecretOfOperator,
		"plaintext": (*site).keyInAnnotation,
		"secrets":   (*site).secretOfAnAPIKey,
		"size":      (*site).keyWithLongRequest,
		"status":    (*site).forgedStatus,
	}
}

// keyForAnotherOwner creates an APIKey for an owner without the grant to do so. An administrator has every grant, and therefore impersonates
// a user who may create APIKeys and nothing else.
func (s *site) keyForAnotherOwner(ctx context.Context) error {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: s.namespace, Group: v1alpha1.GroupName, Resource: "owners", Name: probeOwner, Verb: "assign",
		},
	}}
	if err := s.client.Create(ctx, review); err != nil {
		return err
	}
	author := s.client
	if review.Status.Allowed {
		var err error
		if author, err = s.withoutGrants(ctx); err != nil {
			return err
		}
	}
	apikey := s.ordinary()
	apikey.Spec.Owner = probeOwner

	return orInconclusive(author.Create(ctx, apikey, client.DryRunAll))
}

// orInconclusive returns an inconclusive error for a request that failed because this user may not impersonate another.
func orInconclusive(err error) error {
	if apierrors.IsForbidden(err) && strings.Contains(err.Error(), "cannot impersonate") {
		return inconclusive{fmt.Sprintf("this user may not impersonate another: %v", err)}
	}

	return err
}

// withoutGrants returns a client of a user who may create APIKeys and has no grant.
func (s *site) withoutGrants(ctx context.Context) (client.Client, error) {
	meta := metav1.ObjectMeta{Namespace: s.namespace}
	role := &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{v1alpha1.GroupName}, Resources: []string{"apikeys"}, Verbs: []string{"create"}},
	}}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: meta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: s.name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: s.name}},
	}
	for _, object := range []client.Object{role, binding} {
		if err := s.ensure(ctx, object); apierrors.IsForbidden(err) {
			return nil, inconclusive{fmt.Sprintf("this user has every grant and may not make another user who has none: %v", err)}
		} else if err != nil {
			return nil, err
		}
	}

	return s.as(s.name)
}

// keyBeyondPolicy creates an APIKey with a longer life than a temporary policy of one namespace allows.
func (s *site) keyBeyondPolicy(ctx context.Context) error {
	policy := &v1alpha1.APIKeyPolicy{Spec: v1alpha1.APIKeyPolicySpec{
		NamespaceSelector: &v1alpha1.NamespaceSelector{
			MatchLabels: map[string]v1alpha1.LabelValue{corev1.LabelMetadataName: v1alpha1.LabelValue(s.namespace)},
		},
		Expiry: &v1alpha1.ExpiryPolicy{Maximum: halfLife},
	}}
	if err := s.ensure(ctx, policy); err != nil {
		return err
	}
	apikey := s.ordinary()
	apikey.Spec.ValidFor = longLife

	return s.client.Create(ctx, apikey, client.DryRunAll)
}

// keyInAnnotation puts a text with the shape of an API key into an annotation.
func (s *site) keyInAnnotation(ctx context.Context) error {
	keyShaped := "ak_dev_" + strings.Repeat("0", 49) // no key: its checksum is wrong
	patch := client.RawPatch(mergePatch, fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, probeAnnotation, keyShaped))

	return s.changed(ctx, func(apikey *v1alpha1.APIKey) error { return s.client.Patch(ctx, apikey, patch, client.DryRunAll) })
}

// keyWithLongRequest creates an APIKey whose rotate annotation is too long.
func (s *site) keyWithLongRequest(ctx context.Context) error {
	apikey := s.ordinary()
	apikey.Annotations = map[string]string{v1alpha1.RotateAnnotation: strings.Repeat("a", longRequest)}

	return s.client.Create(ctx, apikey, client.DryRunAll)
}

// otherSecretOfOperator creates a Secret of another type as the operator.
func (s *site) otherSecretOfOperator(ctx context.Context) error {
	operator, err := s.as(s.operator)
	if err != nil {
		return err
	}

	return orInconclusive(operator.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, GenerateName: probeName + "-"},
	}, client.DryRunAll))
}

// secretOfAnAPIKey creates a Secret that only the operator may create.
func (s *site) secretOfAnAPIKey(ctx context.Context) error {
	return s.client.Create(ctx, s.secretOfOperator(), client.DryRunAll)
}

// secretOfOperator returns a Secret as the operator creates them, for an APIKey that does not exist.
func (s *site) secretOfOperator() *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.namespace, GenerateName: probeName + "-",
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: v1alpha1.GroupVersion.String(), Kind: "APIKey", Name: s.name, UID: uuid.NewUUID(), Controller: new(true),
			}},
		},
		Type: v1alpha1.SecretType,
	}
}

// forgedStatus writes a status that only the operator may write.
func (s *site) forgedStatus(ctx context.Context) error {
	patch := client.RawPatch(mergePatch, []byte(`{"status":{"observedGeneration":9007199254740991}}`))

	return s.changed(ctx, func(apikey *v1alpha1.APIKey) error {
		return s.client.Status().Patch(ctx, apikey, patch, client.DryRunAll)
	})
}

// changed patches an existing APIKey in a dry run, or a temporary one if there is none.
func (s *site) changed(ctx context.Context, patch func(*v1alpha1.APIKey) error) error {
	list := &v1alpha1.APIKeyList{}
	if err := s.client.List(ctx, list, client.Limit(1)); err != nil {
		return err
	}
	if len(list.Items) == 0 {
		apikey := s.ordinary()
		apikey.Spec.Revoked = true // so that no key is minted for it
		err := s.ensure(ctx, apikey)
		if refusing := refusingPolicy(err); refusing != "" {
			return inconclusive{fmt.Sprintf("there is no APIKey to try it on, and %s refuses one in namespace %s", refusing, s.namespace)}
		}
		if err != nil {
			return err
		}
		list.Items = append(list.Items, *apikey)
	}
	err := patch(&v1alpha1.APIKey{ObjectMeta: metav1.ObjectMeta{Namespace: list.Items[0].Namespace, Name: list.Items[0].Name}})
	if apierrors.IsInvalid(err) && !strings.Contains(err.Error(), anyPolicy) { // stored before the schema was as it is
		return inconclusive{fmt.Sprintf("the APIKey that it was tried on is not valid itself: %v", err)}
	}

	return err
}
