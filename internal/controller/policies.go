// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlevent "sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// +kubebuilder:rbac:groups=apikey-operator.io,resources=apikeypolicies,verbs=list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=list;watch

// errNamespaceBehind says that the watch of namespaces has yet to deliver the namespace of an APIKey.
var errNamespaceBehind = errors.New("the watch has not delivered the namespace yet")

// policiesFor returns the APIKeyPolicies for a namespace, in any order. They belong to the cache and must not be changed.
func policiesFor(ctx context.Context, reader client.Reader, namespace string) ([]*v1alpha1.APIKeyPolicy, error) {
	all := &v1alpha1.APIKeyPolicyList{}
	if err := reader.List(ctx, all, client.UnsafeDisableDeepCopy); err != nil {
		return nil, asRefused(err, "", "list APIKeyPolicies")
	}
	if len(all.Items) == 0 {
		return nil, nil
	}
	labels, err := labelsOf(ctx, reader, namespace)
	if err != nil {
		return nil, err
	}
	var selected []*v1alpha1.APIKeyPolicy
	for i := range all.Items {
		if policy.Selects(&all.Items[i], labels) {
			selected = append(selected, &all.Items[i])
		}
	}

	return selected, nil
}

// labelsOf returns the labels of a namespace. A namespace that the cache does not have was not delivered yet. It is an error, because
// its labels decide which policies apply.
func labelsOf(ctx context.Context, reader client.Reader, namespace string) (map[string]string, error) {
	meta := &metav1.PartialObjectMetadata{}
	meta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	switch err := reader.Get(ctx, client.ObjectKey{Name: namespace}, meta, client.UnsafeDisableDeepCopy); {
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("namespace %s: %w", namespace, errNamespaceBehind)
	case err != nil:
		return nil, asRefused(err, "", "look up the labels of namespace %s", namespace)
	default:
		return meta.Labels, nil
	}
}

// policyHandler queues the APIKeys in the namespaces that a policy selects or has selected. It skips the initial list, because the operator
// reconciles every APIKey after its start.
func policyHandler(reader client.Reader) handler.EventHandler {
	queueFor := func(ctx context.Context, queue workQueue, policies ...client.Object) {
		namespaces := &metav1.PartialObjectMetadataList{}
		namespaces.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NamespaceList"))
		if err := reader.List(ctx, namespaces, client.UnsafeDisableDeepCopy); err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "Cannot list namespaces: their APIKeys follow a changed APIKeyPolicy only at their next reconcile")
		}
		for i := range namespaces.Items {
			selected := func(object client.Object) bool {
				apikeyPolicy, ok := object.(*v1alpha1.APIKeyPolicy)

				return ok && policy.Selects(apikeyPolicy, namespaces.Items[i].Labels)
			}
			if slices.ContainsFunc(policies, selected) {
				queueAllIn(ctx, reader, queue, namespaces.Items[i].Name)
			}
		}
	}

	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e ctrlevent.CreateEvent, queue workQueue) {
			if !e.IsInInitialList {
				queueFor(ctx, queue, e.Object)
			}
		},
		UpdateFunc: func(ctx context.Context, e ctrlevent.UpdateEvent, queue workQueue) {
			if e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() || e.ObjectOld.GetUID() != e.ObjectNew.GetUID() {
				queueFor(ctx, queue, e.ObjectOld, e.ObjectNew)
			}
		},
		DeleteFunc: func(ctx context.Context, e ctrlevent.DeleteEvent, queue workQueue) {
			queueFor(ctx, queue, e.Object)
		},
	}
}

// namespaceHandler queues the APIKeys of a namespace whose new labels are selected by other policies, and of a new namespace: a policy
// that was delivered before it has queued nothing.
func namespaceHandler(reader client.Reader) handler.EventHandler {
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e ctrlevent.CreateEvent, queue workQueue) {
			if !e.IsInInitialList {
				queueAllIn(ctx, reader, queue, e.Object.GetName())
			}
		},
		UpdateFunc: func(ctx context.Context, e ctrlevent.UpdateEvent, queue workQueue) {
			before, after := e.ObjectOld.GetLabels(), e.ObjectNew.GetLabels()
			if maps.Equal(before, after) {
				return
			}
			policies := &v1alpha1.APIKeyPolicyList{}
			err := reader.List(ctx, policies, client.UnsafeDisableDeepCopy)
			if err != nil || slices.ContainsFunc(policies.Items, func(p v1alpha1.APIKeyPolicy) bool {
				return policy.Selects(&p, before) != policy.Selects(&p, after)
			}) {
				queueAllIn(ctx, reader, queue, e.ObjectNew.GetName())
			}
		},
	}
}

// queueAllIn queues all APIKeys of a namespace in the lowest class.
func queueAllIn(ctx context.Context, reader client.Reader, queue workQueue, namespace string) {
	keys := &v1alpha1.APIKeyList{}
	if err := reader.List(ctx, keys, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Cannot list APIKeys: they follow a changed APIKeyPolicy only at their next reconcile", "namespace", namespace)
	}
	for i := range keys.Items {
		enqueue(queue, priorityBehind, requestFor(&keys.Items[i]))
	}
}
