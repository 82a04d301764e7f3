// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// The release that has the names and the namespace of config/default.
const (
	defaultRelease   = "apikey-operator"
	defaultNamespace = "apikey-operator-system"
)

// folder returns the path of a file or folder of the repository.
func folder(t testing.TB, path ...string) string {
	t.Helper()
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}

	return filepath.Join(append([]string{root}, path...)...)
}

// helm is the built Helm. Its configuration and its cache are the test's own.
type helm struct {
	program     string
	environment []string
}

// newHelm skips the test where Helm is not built; in CI that is a failure.
func newHelm(t testing.TB, environment ...string) helm {
	t.Helper()

	return helmOf(t, "helm", environment...)
}

// helmOf returns the Helm that is built under a name: helm, or helm3.
func helmOf(t testing.TB, name string, environment ...string) helm {
	t.Helper()
	home := t.TempDir()

	return helm{
		program: testkit.FindBuilt(t, "charts", name),
		environment: append(environment,
			"HOME="+home, "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home, "PATH="+os.Getenv("PATH")),
	}
}

// run returns what Helm writes to stdout. Its error has what Helm writes to stderr.
func (h helm) run(t testing.TB, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), h.program, args...)
	cmd.Env = h.environment
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("helm %s: %w\n%s", strings.Join(args, " "), err, complaint.String())
	}

	return string(out), nil
}

// must fails the test if Helm fails.
func (h helm) must(t testing.TB, args ...string) string {
	t.Helper()
	out, err := h.run(t, args...)
	if err != nil {
		t.Fatal(err)
	}

	return out
}

// template returns what the chart renders for a release.
func (h helm) template(t testing.TB, release, namespace string, args ...string) []*unstructured.Unstructured {
	t.Helper()

	return objectsOf(t, h.must(t, append([]string{"template", release, folder(t, "config", "chart"), "--namespace", namespace}, args...)...))
}

// objectsOf returns the objects of a rendered text. An object with an ambiguous or empty document is an error.
func objectsOf(t testing.TB, text string) []*unstructured.Unstructured {
	t.Helper()
	var objects []*unstructured.Unstructured
	for document := range strings.SplitSeq("\n"+text, "\n---\n") {
		object := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict([]byte(document), &object.Object); err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
	if len(objects) == 0 {
		t.Fatal(errors.New("nothing is rendered"))
	}

	return objects
}

// kustomize returns what `kubectl apply -k` would apply.
func kustomize(t testing.TB, path string) []*unstructured.Unstructured {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), folder(t, "bin", "k8s", "kubectl"), "kustomize", path).Output()
	if err != nil {
		t.Fatal(err)
	}

	return objectsOf(t, string(out))
}

// key names an object in tests.
func key(object *unstructured.Unstructured) string {
	return object.GetKind() + " " + object.GetNamespace() + "/" + object.GetName()
}

// variants returns the names of the files with values in config/chart/ci.
func variants(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(folder(t, "config", "chart", "ci", "*-values.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("config/chart/ci has no values: %v", err)
	}

	return files
}

// variant returns the name of a variant.
func variant(file string) string { return strings.TrimSuffix(filepath.Base(file), "-values.yaml") }
