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

// unlistedTimeout bounds the search for resources that cannot be listed, before the operator ends.
const unlistedTimeout = 10 * time.Second

// followed is a resource that the operator needs for its start.
type followed struct {
	resource string
	kind     client.Object
	options  []client.ListOption
	// clusterScoped kinds are followed as a whole, also where single namespaces are watched.
	clusterScoped bool
}

// followedResources returns the resources that Setup watches.
func followedResources(requireGuardrails bool) []followed {
	secretType := client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("type", v1alpha1.SecretType)}
	all := []followed{
		{resource: "apikeys." + v1alpha1.GroupName, kind: &v1alpha1.APIKey{}},
		{resource: "apikeypolicies." + v1alpha1.GroupName, kind: &v1alpha1.APIKeyPolicy{}, clusterScoped: true},
		{resource: "secrets", kind: metadataOf(corev1.SchemeGroupVersion.WithKind("Secret")), options: []client.ListOption{secretType}},
		{resource: "namespaces", kind: metadataOf(corev1.SchemeGroupVersion.WithKind("Namespace")), clusterScoped: true},
	}
	if requireGuardrails {
		all = append(all,
			followed{
				resource: "validatingadmissionpolicies", kind: &admissionregistrationv1.ValidatingAdmissionPolicy{}, clusterScoped: true,
			},
			followed{
				resource: "validatingadmissionpolicybindings", kind: &admissionregistrationv1.ValidatingAdmissionPolicyBinding{}, clusterScoped: true,
			})
	}

	return all
}

// metadataOf returns an object for the metadata of a kind.
func metadataOf(kind schema.GroupVersionKind) *metav1.PartialObjectMetadata {
	metadata := &metav1.PartialObjectMetadata{}
	metadata.SetGroupVersionKind(kind)

	return metadata
}

// ExplainEnd adds to the error of a manager that has given up the resources that it could not list, and why. The manager's own error names
// any resource that it was waiting for; when one cannot be listed, it waits for all. ExplainEnd asks the API server again for the reason, so
// that the last line of the log has it. The namespaces are those of CacheOptions.
func ExplainEnd(ctx context.Context, mgr ctrl.Manager, requireGuardrails bool, namespaces []string, ended error) error {
	if ended == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unlistedTimeout)
	defer cancel()
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	var reasons []string
	for _, f := range followedResources(requireGuardrails) {
		informer, err := mgr.GetCache().GetInformer(ctx, f.kind, cache.BlockUntilSynced(false))
		if err == nil && informer.HasSynced() {
			continue
		}
		in := namespaces
		if f.clusterScoped {
			in = []string{metav1.NamespaceAll}
		}
		if reason := f.list(ctx, mgr, in); reason != nil {
			reasons = append(reasons, reason.Error())
		}
	}
	if len(reasons) == 0 {
		return ended
	}

	return fmt.Errorf("%w; %s", ended, strings.Join(reasons, "; ")) // in one line, which is the last of the log
}

// list lists one object of each namespace. Its error says why the first failure happened and what to do.
func (f followed) list(ctx context.Context, mgr ctrl.Manager, namespaces []string) error {
	for _, namespace := range namespaces {
		if err := f.listIn(ctx, mgr, namespace); err != nil {
			return err
		}
	}

	return nil
}

func (f followed) listIn(ctx context.Context, mgr ctrl.Manager, namespace string) error {
	list := &metav1.PartialObjectMetadataList{}
	kind, err := apiutil.GVKForObject(f.kind, mgr.GetScheme())
	if err == nil {
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		err = mgr.GetAPIReader().List(ctx, list, append(f.options, client.Limit(1), client.InNamespace(namespace))...)
	}
	switch {
	case err == nil:
		return nil
	case apierrors.IsForbidden(err) && namespace != metav1.NamespaceAll:
		return fmt.Errorf("cannot list %s in namespace %s: apply config/namespaced/namespace there: %w", f.resource, namespace, err)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("cannot list %s: apply the roles of config/rbac again: %w", f.resource, err)
	default:
		return fmt.Errorf("cannot list %s: %w", f.resource, err)
	}
}
