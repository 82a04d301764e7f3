// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// Kustomize returns what `kubectl apply -k` would apply of a folder of the repository.
func Kustomize(t testing.TB, folder string) []byte {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	kubectl := filepath.Join(root, "bin", "k8s", "kubectl")
	if _, err := os.Stat(kubectl); err != nil {
		t.Fatalf("%v: run `make kube` first", err)
	}
	out, err := exec.CommandContext(t.Context(), kubectl, "kustomize", filepath.Join(root, folder)).Output()
	if err != nil {
		t.Fatal(err)
	}

	return out
}

// Manifests returns the objects of one kind that `kubectl apply -k` would apply of a folder of the repository. It fails the test
// if an object has an unknown field.
func Manifests[T any](t testing.TB, folder, kind string) []T {
	t.Helper()
	var found []T
	for document := range bytes.SplitSeq(Kustomize(t, folder), []byte("\n---\n")) {
		var meta metav1.TypeMeta
		if err := yaml.Unmarshal(document, &meta); err != nil {
			t.Fatal(err)
		}
		if meta.Kind != kind {
			continue
		}
		var object T
		if err := yaml.UnmarshalStrict(document, &object); err != nil {
			t.Fatal(err)
		}
		found = append(found, object)
	}

	return found
}
