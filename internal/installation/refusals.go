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
	// probeOwner is a user that nobody is, and that the impersonated user may not make keys for.
	probeOwner = probeName + "@apikey-operator.io"
	// longRequest is more bytes than the rotate annotation may take.
	longRequest = 8 << 10
	// longLife is a lifetime that no APIKey has, and the maximum of the temporary policy is half of it.
	longLife, halfLife = "900000h", "450000h"
)

// refusal makes a request that one guardrail must refuse, and returns the answer.
type refusal func(*site, context.Context) error

// refusals are the requests, by the name of the guardrail.
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

// keyForAnotherOwner makes an APIKey for a user that the author may not make one for. Who may do that, because an administrator
// may do everything, does it as another user, who may create APIKeys and nothing else.
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

	return orUntold(author.Create(ctx, apikey, client.DryRunAll))
}

// orUntold returns an untold error for a request that failed because this user may not act as another.
func orUntold(err error) error {
	if apierrors.IsForbidden(err) && strings.Contains(err.Error(), "cannot impersonate") {
		return untold{fmt.Sprintf("this user may not impersonate another: %v", err)}
	}

	return err
}

// withoutGrants returns a client of a user who may create APIKeys and has no grants.
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
			return nil, untold{fmt.Sprintf("this user has every grant and may not make another user who has none: %v", err)}
		} else if err != nil {
			return nil, err
		}
	}

	return s.as(s.name)
}

// keyBeyondPolicy makes an APIKey that lives longer than a policy allows, which is for one namespace and for no longer than this takes.
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

// keyInAnnotation puts something with the shape of an API key into an annotation.
func (s *site) keyInAnnotation(ctx context.Context) error {
	keyShaped := "ak_dev_" + strings.Repeat("0", 49) // no key: its checksum is wrong
	patch := client.RawPatch(mergePatch, fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, probeAnnotation, keyShaped))

	return s.changed(ctx, func(apikey *v1alpha1.APIKey) error { return s.client.Patch(ctx, apikey, patch, client.DryRunAll) })
}

// keyWithLongRequest makes an APIKey whose rotate annotation is longer than any may be.
func (s *site) keyWithLongRequest(ctx context.Context) error {
	apikey := s.ordinary()
	apikey.Annotations = map[string]string{v1alpha1.RotateAnnotation: strings.Repeat("a", longRequest)}

	return s.client.Create(ctx, apikey, client.DryRunAll)
}

// otherSecretOfOperator makes, as the operator, a Secret that holds no API key.
func (s *site) otherSecretOfOperator(ctx context.Context) error {
	operator, err := s.as(s.operator)
	if err != nil {
		return err
	}

	return orUntold(operator.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, GenerateName: probeName + "-"},
	}, client.DryRunAll))
}

// secretOfAnAPIKey makes a Secret as only the operator may.
func (s *site) secretOfAnAPIKey(ctx context.Context) error {
	return s.client.Create(ctx, s.secretOfOperator(), client.DryRunAll)
}

// secretOfOperator is a Secret as the operator makes them, of an APIKey that is not there.
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

// forgedStatus writes a status as only the operator may.
func (s *site) forgedStatus(ctx context.Context) error {
	patch := client.RawPatch(mergePatch, []byte(`{"status":{"observedGeneration":9007199254740991}}`))

	return s.changed(ctx, func(apikey *v1alpha1.APIKey) error {
		return s.client.Status().Patch(ctx, apikey, patch, client.DryRunAll)
	})
}

// changed makes a dry run on some APIKey: one that is there, else a temporary one.
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
			return untold{fmt.Sprintf("there is no APIKey to try it on, and %s refuses one in namespace %s", refusing, s.namespace)}
		}
		if err != nil {
			return err
		}
		list.Items = append(list.Items, *apikey)
	}
	err := patch(&v1alpha1.APIKey{ObjectMeta: metav1.ObjectMeta{Namespace: list.Items[0].Namespace, Name: list.Items[0].Name}})
	if apierrors.IsInvalid(err) && !strings.Contains(err.Error(), anyPolicy) { // stored before the schema was as it is
		return untold{fmt.Sprintf("the APIKey that it was tried on is not valid itself: %v", err)}
	}

	return err
}
