// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails_test

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// The controllers of Kubernetes that empty namespaces and collect garbage, the last as part of a controller manager that runs all
// its controllers as one user. A user who may impersonate is any of them.
const (
	namespaceControllerUser = "system:serviceaccount:kube-system:namespace-controller"
	garbageCollectorUser    = "system:serviceaccount:kube-system:generic-garbage-collector"
	controllerManagerUser   = "system:kube-controller-manager"
)

func systemControllers() []string {
	return []string{namespaceControllerUser, garbageCollectorUser, controllerManagerUser}
}

// probes are requests of which at least one has another answer where any part of a guardrail is missing.
func probes() []probe {
	return slices.Concat(grantProbes(), limitProbes(), operatorProbes(), plaintextProbes(), secretProbes(), sizeProbes(), statusProbes())
}

func grantProbes() []probe {
	var all []probe
	add := func(name, user, refused string, send func(context.Context, client.Client, string) error) {
		all = append(all, probe{guardrail: "grants", name: name, user: user, refused: refused, send: send})
	}
	for i := range 16 {
		add(fmt.Sprintf("permission %d without a grant", i), probeGranted, `"permissions/denied:p"`, creating(func(apikey *v1alpha1.APIKey) {
			for n := range 16 {
				apikey.Spec.Permissions = append(apikey.Spec.Permissions, v1alpha1.Permission(fmt.Sprintf("granted:p%d", n)))
			}
			apikey.Spec.Permissions[i] = "denied:p"
		}))
	}
	for i := range 8 {
		add(fmt.Sprintf("role %d without a grant", i), probeGranted, `"roles/denied-r"`, creating(func(apikey *v1alpha1.APIKey) {
			for n := range 8 {
				apikey.Spec.Roles = append(apikey.Spec.Roles, v1alpha1.RoleName(fmt.Sprintf("granted-r%d", n)))
			}
			apikey.Spec.Roles[i] = "denied-r"
		}))
	}
	add("an environment without a grant", probeGranted, `"environments/Development"`, creating(func(apikey *v1alpha1.APIKey) {
		apikey.Spec.Environment = v1alpha1.EnvironmentDevelopment
	}))
	add("a rotate annotation that cannot be read", probeEditor, "is a name without a comma", creating(annotated("a,overlap=soon")))
	add("an owner who is not assigned", probeGranted, `"owners/jane@example.com"`, creating(func(apikey *v1alpha1.APIKey) {
		apikey.Spec.Owner = "jane@example.com"
	}))
	for _, user := range systemControllers() {
		add("a permission put on by "+user, user, `"permissions/denied:p"`, creating(withPermissions("denied:p")))
	}
	add("a permission put on later", probeEditor, `"permissions/denied:p"`, updating(fixtureKey, withPermissions("denied:p")))
	add("a finalizer taken off what CEL cannot read", probeEditor, "", withoutFinalizerOfUnreadable)

	return all
}

func plaintextProbes() []probe {
	var all []probe
	add := func(name, user, refused string, send func(context.Context, client.Client, string) error) {
		all = append(all, probe{guardrail: "plaintext", name: name, user: user, refused: refused, send: send})
	}
	places := map[string]func(*metav1.ObjectMeta){
		"a label name":        func(m *metav1.ObjectMeta) { m.Labels = map[string]string{leaked: "a"} },
		"a label value":       func(m *metav1.ObjectMeta) { m.Labels = map[string]string{"a": leaked} },
		"an annotation name":  func(m *metav1.ObjectMeta) { m.Annotations = map[string]string{leaked: "a"} },
		"an annotation value": func(m *metav1.ObjectMeta) { m.Annotations = map[string]string{"a": "it is " + leaked + "!"} },
	}
	for what, put := range places {
		add("a key in "+what, probeEditor, what+" looks like an API key", creating(func(apikey *v1alpha1.APIKey) { put(&apikey.ObjectMeta) }))
	}
	add("too many labels", probeEditor, "more than 1000 labels and annotations", creating(func(apikey *v1alpha1.APIKey) {
		apikey.Labels = map[string]string{}
		for i := range 1001 {
			apikey.Labels[fmt.Sprintf("a%d", i)] = ""
		}
	}))
	for _, user := range systemControllers() {
		add(
			"a key in a label put there by "+user,
			user,
			"looks like an API key",
			creating(func(apikey *v1alpha1.APIKey) { places["a label value"](&apikey.ObjectMeta) }),
		)
	}
	add("a key in a label put there later", probeEditor, "looks like an API key", updating(fixtureKey, func(apikey *v1alpha1.APIKey) {
		places["a label value"](&apikey.ObjectMeta)
	}))
	add("a finalizer taken off a key with a leak", probeEditor, "", updating(fixtureLeaked, func(apikey *v1alpha1.APIKey) { apikey.Finalizers = nil }))

	return all
}

func statusProbes() []probe {
	var all []probe
	add := func(name, user, refused string, change func(*v1alpha1.APIKeyStatus)) {
		all = append(all, probe{guardrail: "status", name: name, user: user, refused: refused, send: reporting(change)})
	}
	activate := func(s *v1alpha1.APIKeyStatus) { s.Phase = v1alpha1.PhaseActive }
	add("a status from somebody", probeEditor, "may not write the status", activate)
	add("a phase from the verifier", verifierUser, "may write only lastUsedAt", activate)
	add("a status that says nothing new", probeEditor, "", func(*v1alpha1.APIKeyStatus) {})
	for _, user := range systemControllers() {
		add("a status from "+user, user, "may not write the status", activate)
	}

	return all
}

// withoutFinalizerOfUnreadable takes the finalizer off the APIKey that was stored before there was a schema.
func withoutFinalizerOfUnreadable(ctx context.Context, c client.Client, namespace string) error {
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))

	return c.Patch(ctx, unreadable(namespace), patch)
}
