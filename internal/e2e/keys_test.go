//go:build e2e

// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// newKey returns an APIKey of Production.
func newKey(name string) *v1alpha1.APIKey { return newKeyIn(keysNamespace, name) }

// newKeyIn is newKey for another namespace.
func newKeyIn(where, name string) *v1alpha1.APIKey {
	return &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: where, Name: name},
		Spec:       v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentProduction},
	}
}

// awaitActive waits until a key is accepted, and returns how long that took since the start.
func awaitActive(ctx context.Context, name string, start time.Time) time.Duration {
	GinkgoHelper()
	awaitActiveIn(ctx, keysNamespace, name)

	return time.Since(start)
}

// awaitActiveIn waits until a key of any namespace is accepted.
func awaitActiveIn(ctx context.Context, where, name string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		apikey := &v1alpha1.APIKey{}
		g.Expect(admin.Get(ctx, client.ObjectKey{Namespace: where, Name: name}, apikey)).To(Succeed())
		g.Expect(meta.IsStatusConditionTrue(apikey.Status.Conditions, v1alpha1.ConditionActive)).To(BeTrue(), "%+v", apikey.Status)
	}).WithContext(ctx).Should(Succeed())
}

// mint creates an APIKey with a fresh name and returns how long it took until its key was accepted.
func mint(ctx context.Context, name string) time.Duration {
	GinkgoHelper()

	return mintSince(ctx, name, time.Now())
}

// mintSince is mint with another start.
func mintSince(ctx context.Context, name string, start time.Time) time.Duration {
	GinkgoHelper()
	name = fresh(name)
	Expect(admin.Create(ctx, newKey(name))).To(Succeed())

	return awaitActive(ctx, name, start)
}

// mintNamed creates an APIKey with this name and waits until its key is accepted.
func mintNamed(ctx context.Context, name string) {
	GinkgoHelper()
	Expect(admin.Create(ctx, newKey(name))).To(Succeed())
	awaitActive(ctx, name, time.Now())
}

// used counts the names of APIKeys.
var used atomic.Int64

// fresh returns a name that no APIKey of the run has had. After the CRDs were installed again, the garbage collector of Kubernetes misses for
// a minute that an APIKey was deleted if another one has its name, and keeps its Secret.
func fresh(name string) string {
	return fmt.Sprintf("%s-%d", name, used.Add(1))
}

// keyOf returns the key in the Secret of an APIKey.
func keyOf(ctx context.Context, name string) string {
	GinkgoHelper()

	return keyIn(ctx, keysNamespace, name)
}

// keyIn is keyOf for another namespace.
func keyIn(ctx context.Context, where, name string) string {
	GinkgoHelper()
	secret := &corev1.Secret{}
	Expect(admin.Get(ctx, client.ObjectKey{Namespace: where, Name: name}, secret)).To(Succeed())

	return string(secret.Data[v1alpha1.SecretKeyDefault])
}

// rotatePatch sets the rotate annotation.
func rotatePatch(value string) string {
	return fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.RotateAnnotation, value)
}

// tryPatch changes an APIKey.
func tryPatch(ctx context.Context, name, patch string) error {
	return admin.Patch(ctx, newKey(name), client.RawPatch(types.MergePatchType, []byte(patch)))
}

// requestRotation annotates an APIKey with a new value.
func requestRotation(ctx context.Context, name, value string) {
	GinkgoHelper()
	Expect(tryPatch(ctx, name, rotatePatch(value))).To(Succeed())
}

// rotatedBy reports whether a rotation by that value is complete.
func rotatedBy(ctx context.Context, name, value string) bool {
	apikey := &v1alpha1.APIKey{}
	err := admin.Get(ctx, client.ObjectKey{Namespace: keysNamespace, Name: name}, apikey)

	return err == nil && apikey.Status.LastRotation != nil && apikey.Status.LastRotation.Value == value
}

// awaitRotation waits until a rotation by that value is complete.
func awaitRotation(ctx context.Context, name, value string) {
	GinkgoHelper()
	Eventually(rotatedBy).WithContext(ctx).WithArguments(name, value).Should(BeTrue())
}

// activeRecord returns the id of the key that is in the Secret.
func activeRecord(g Gomega, ctx context.Context, name string) string { //nolint:revive // Gomega comes first, as in Eventually
	apikey := &v1alpha1.APIKey{}
	g.Expect(admin.Get(ctx, client.ObjectKey{Namespace: keysNamespace, Name: name}, apikey)).To(Succeed())
	for _, record := range apikey.Status.Keys {
		if record.State == v1alpha1.KeyActive {
			return record.ID
		}
	}

	return "none is active"
}
