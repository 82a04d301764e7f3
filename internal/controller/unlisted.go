// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"
	"strings"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// unlistedTimeout bounds how long it is looked for what could not be listed, before the operator ends.
const unlistedTimeout = 10 * time.Second

// followed is a resource that the operator cannot start without.
type followed struct {
	resource string
	kind     client.Object
	options  []client.ListOption
}

// followedResources are those that Setup watches.
func followedResources(requireGuardrails bool) []followed {
	secretType := client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("type", v1alpha1.SecretType)}
	all := []followed{
		{resource: "apikeys." + v1alpha1.GroupName, kind: &v1alpha1.APIKey{}},
		{resource: "apikeypolicies." + v1alpha1.GroupName, kind: &v1alpha1.APIKeyPolicy{}},
		{resource: "secrets", kind: metadataOf(corev1.SchemeGroupVersion.WithKind("Secret")), options: []client.ListOption{secretType}},
		{resource: "namespaces", kind: metadataOf(corev1.SchemeGroupVersion.WithKind("Namespace"))},
	}
	if requireGuardrails {
		all = append(all,
			followed{resource: "validatingadmissionpolicies", kind: &admissionregistrationv1.ValidatingAdmissionPolicy{}},
			followed{resource: "validatingadmissionpolicybindings", kind: &admissionregistrationv1.ValidatingAdmissionPolicyBinding{}})
	}

	return all
}

// metadataOf is a kind of which only the metadata is followed.
func metadataOf(kind schema.GroupVersionKind) *metav1.PartialObjectMetadata {
	metadata := &metav1.PartialObjectMetadata{}
	metadata.SetGroupVersionKind(kind)

	return metadata
}

// ExplainEnd adds to the error of a manager that has given up which resources it could not list, and why: its own names one
// of those that it was waiting for, which are all as soon as one is missing. It asks the API server again for the reason,
// because the log has it only somewhere above.
func ExplainEnd(ctx context.Context, mgr ctrl.Manager, requireGuardrails bool, ended error) error {
	if ended == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unlistedTimeout)
	defer cancel()
	var reasons []string
	for _, f := range followedResources(requireGuardrails) {
		informer, err := mgr.GetCache().GetInformer(ctx, f.kind, cache.BlockUntilSynced(false))
		if err == nil && informer.HasSynced() {
			continue
		}
		if reason := f.list(ctx, mgr); reason != nil {
			reasons = append(reasons, reason.Error())
		}
	}
	if len(reasons) == 0 {
		return ended
	}

	return fmt.Errorf("%w; %s", ended, strings.Join(reasons, "; ")) // in one line, which is the last of the log
}

// list asks for one object. It returns why there is no answer, and what to do about it.
func (f followed) list(ctx context.Context, mgr ctrl.Manager) error {
	list := &metav1.PartialObjectMetadataList{}
	kind, err := apiutil.GVKForObject(f.kind, mgr.GetScheme())
	if err == nil {
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		err = mgr.GetAPIReader().List(ctx, list, append(f.options, client.Limit(1))...)
	}
	switch {
	case err == nil:
		return nil
	case apierrors.IsForbidden(err):
		return fmt.Errorf("cannot list %s: apply the roles of config/rbac again: %w", f.resource, err)
	default:
		return fmt.Errorf("cannot list %s: %w", f.resource, err)
	}
}
