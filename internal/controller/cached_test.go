// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/controller"
	"github.com/apikey-operator/apikey-operator/internal/guardrails"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// cachedAs is what the cache of a kind makes of an object.
func cachedAs(t *testing.T, kind, object client.Object) client.Object {
	t.Helper()
	for of, options := range controller.CacheOptions().ByObject {
		if fmt.Sprintf("%T", of) == fmt.Sprintf("%T", kind) {
			kept, err := options.Transform(object)
			if err != nil {
				t.Fatal(err)
			}

			if object, ok := kept.(client.Object); ok {
				return object
			}
			t.Fatalf("%T becomes %T", object, kept)
		}
	}
	t.Fatalf("the cache has no options for %T", kind)

	return nil
}

// filled is metadata in which everything that users can write is large.
func filled() metav1.ObjectMeta {
	large := strings.Repeat("a", 1<<18)
	meta := metav1.ObjectMeta{
		Namespace: "default", Name: "main-website", GenerateName: large, UID: "uid", ResourceVersion: "7", Generation: 3,
		Labels:      map[string]string{"example.com/team": large, guardrails.Label: "grants"},
		Annotations: map[string]string{"example.com/note": large, v1alpha1.RotateAnnotation: "1", v1alpha1.ClaimAnnotation: large},
		Finalizers:  []string{large}, ManagedFields: []metav1.ManagedFieldsEntry{{Manager: large}},
	}
	for i := range 100 {
		meta.OwnerReferences = append(meta.OwnerReferences, metav1.OwnerReference{
			APIVersion: "example.com/v1", Kind: "Stranger", Name: large, UID: types.UID(fmt.Sprint(i)),
		})
	}

	return meta
}

// The caches hold only the metadata that the operator reads, however large the rest is.
func TestCachesKeepOnlyWhatIsRead(t *testing.T) {
	for name, c := range map[string]struct{ kind, object client.Object }{
		"APIKeys":        {&v1alpha1.APIKey{}, &v1alpha1.APIKey{ObjectMeta: filled()}},
		"APIKeyPolicies": {&v1alpha1.APIKeyPolicy{}, &v1alpha1.APIKeyPolicy{ObjectMeta: filled()}},
		"Secrets":        {&corev1.Secret{}, &metav1.PartialObjectMetadata{ObjectMeta: filled()}},
		"policies": {
			&admissionregistrationv1.ValidatingAdmissionPolicy{},
			&admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: filled()},
		},
		"bindings": {
			&admissionregistrationv1.ValidatingAdmissionPolicyBinding{},
			&admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: filled()},
		},
	} {
		t.Run(name, func(t *testing.T) {
			kept := cachedAs(t, c.kind, c.object)
			if size := len(fmt.Sprintf("%+v", kept)); size > 8<<10 {
				t.Errorf("%d bytes are kept", size)
			}
			if kept.GetName() != "main-website" || kept.GetUID() != "uid" || kept.GetResourceVersion() != "7" || kept.GetGeneration() != 3 {
				t.Errorf("what identifies the object is gone: %+v", kept)
			}
		})
	}
	if len(controller.CacheOptions().ByObject) != 6 {
		t.Error("a kind is cached that has no case here; Namespaces have none, their labels are read")
	}
	key := cachedAs(t, &v1alpha1.APIKey{}, &v1alpha1.APIKey{ObjectMeta: filled()})
	if key.GetAnnotations()[v1alpha1.RotateAnnotation] != "1" {
		t.Error("the rotate annotation is gone")
	}
	if claim := key.GetAnnotations()[v1alpha1.ClaimAnnotation]; len(claim) != keys.IDLength+1 {
		t.Errorf("%d bytes of a claim are kept, which must be more than an id has, and no more than that takes", len(claim))
	}
	policy := cachedAs(t, &admissionregistrationv1.ValidatingAdmissionPolicy{}, &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: filled()})
	if policy.GetLabels()[guardrails.Label] != "grants" {
		t.Error("the label of a guardrail is gone")
	}
}

// bytesOfACopy is how much memory config/policy/README.md says that a copy of a Secret may take which pretends to be the operator's own.
const bytesOfACopy = 1024

// Copies of Secrets without the label of the operator are not in the cache at all; those with it take little.
func TestACopyOfASecretCostsLittle(t *testing.T) {
	const n = 20_000
	options := secretOptions(t)
	if set := options.Field.String(); set != "type="+v1alpha1.SecretType {
		t.Errorf("Secrets with %q are cached", set)
	}
	if set := options.Label.String(); set != v1alpha1.SecretManagedByLabel+"="+v1alpha1.SecretManagedByValue {
		t.Errorf("Secrets with %q are cached", set)
	}
	store := toolscache.NewIndexer(toolscache.MetaNamespaceKeyFunc, toolscache.Indexers{toolscache.NamespaceIndex: toolscache.MetaNamespaceIndexFunc})
	large := filled()
	before := heap()
	for i := range n {
		meta := large
		meta.Name, meta.UID, meta.ResourceVersion = fmt.Sprintf("copy-of-a-secret-%d", i), types.UID(fmt.Sprintf("%036d", i)), fmt.Sprint(i)
		meta.Namespace = fmt.Sprintf("namespace-%d", i%100)
		if err := store.Add(cachedAs(t, &corev1.Secret{}, &metav1.PartialObjectMetadata{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, ObjectMeta: meta,
		})); err != nil {
			t.Fatal(err)
		}
	}
	each := (heap() - before) / n
	t.Logf("%d bytes for each copy", each)
	if each > bytesOfACopy {
		t.Errorf("a copy takes %d bytes, want at most %d", each, bytesOfACopy)
	}
	runtime.KeepAlive(store)
	runtime.KeepAlive(large)
}

func secretOptions(t *testing.T) cache.ByObject {
	t.Helper()
	for of, options := range controller.CacheOptions().ByObject {
		if _, ok := of.(*corev1.Secret); ok {
			return options
		}
	}
	t.Fatal("Secrets are not narrowed")

	return cache.ByObject{}
}

// heap is how many bytes are in use.
func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)

	return int64(stats.HeapAlloc) //nolint:gosec // no heap is that large
}
