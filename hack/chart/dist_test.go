// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestManifestsOfARelease writes install.yaml and the packed chart twice: the files are the same, and both render what config/default
// does, with the image of the release.
func TestManifestsOfARelease(t *testing.T) {
	t.Parallel()
	h := newHelm(t)
	const version = "v1.2.3-rc.1"
	first, second := t.TempDir(), t.TempDir()
	for _, into := range []string{first, second} {
		if out, err := exec.CommandContext(t.Context(), folder(t, "hack", "manifests.sh"), version, into).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	const chart = "apikey-operator-1.2.3-rc.1.tgz"
	for _, name := range []string{"install.yaml", chart} {
		if !bytes.Equal(content(t, first, name), content(t, second, name)) {
			t.Errorf("two builds of %s differ", name)
		}
	}
	want := kustomize(t, folder(t, "config", "default"))
	images := 0
	for _, object := range want {
		if object.GetKind() == "Deployment" {
			images += retag(t, object, version)
		}
	}
	if images != 2 {
		t.Fatalf("config/default has %d images of the operator, want 2", images)
	}
	if diff := cmp.Diff(objectsByKey(want), objectsByKey(objectsOf(t, string(content(t, first, "install.yaml"))))); diff != "" {
		t.Errorf("install.yaml differs from config/default (-want +got):\n%s", diff)
	}
	packed := objectsOf(t, h.must(t, "template", defaultRelease, filepath.Join(first, chart), "--namespace", defaultNamespace))
	if diff := cmp.Diff(withoutTool(want), withoutTool(packed)); diff != "" {
		t.Errorf("the packed chart differs from config/default (-want +got):\n%s", diff)
	}
	shown := h.must(t, "show", "chart", filepath.Join(first, chart))
	for _, line := range []string{
		"version: 1.2.3-rc.1\n", "appVersion: v1.2.3-rc.1\n", "  artifacthub.io/prerelease: \"true\"\n",
		"image: ghcr.io/apikey-operator/apikey-operator:v1.2.3-rc.1\n",
	} {
		if !strings.Contains(shown, line) {
			t.Errorf("the packed chart has no line %q:\n%s", line, shown)
		}
	}
}

// TestChartOfAFinalReleaseIsNoPrerelease packs the chart of a version without a suffix.
func TestChartOfAFinalReleaseIsNoPrerelease(t *testing.T) {
	t.Parallel()
	h := newHelm(t)
	into := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), folder(t, "hack", "manifests.sh"), "v1.2.3", into).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	shown := h.must(t, "show", "chart", filepath.Join(into, "apikey-operator-1.2.3.tgz"))
	if !strings.Contains(shown, "  artifacthub.io/prerelease: \"false\"\n") {
		t.Errorf("it is a prerelease:\n%s", shown)
	}
}

func TestManifestsRefuseAVersionThatIsNone(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"", "1.2.3", "v1.2", "v1.2.3; id", "v01.2.3", "v1.2.3-", "v1.2.3-a..b", "v1.2.3-01", "v1.2.3+1", "latest"} {
		into := t.TempDir()
		out, err := exec.CommandContext(t.Context(), folder(t, "hack", "manifests.sh"), version, into).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "want a semantic version behind a v") {
			t.Errorf("%q: %v\n%s", version, err, out)
		}
	}
}

// content returns a file of a folder.
func content(t *testing.T, in, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(in, name))
	if err != nil {
		t.Fatal(err)
	}

	return data
}

// retag gives the images of a Deployment the tag of a release, and returns how many there are.
func retag(t *testing.T, deployment *unstructured.Unstructured, tag string) int {
	t.Helper()
	path := []string{"spec", "template", "spec", "containers"}
	containers, _, err := unstructured.NestedSlice(deployment.Object, path...)
	if err != nil {
		t.Fatal(err)
	}
	images := 0
	for _, container := range containers {
		fields, _ := container.(map[string]any)
		if image, _ := fields["image"].(string); strings.HasSuffix(image, ":dev") {
			fields["image"] = strings.TrimSuffix(image, "dev") + tag
			images++
		}
	}
	if err := unstructured.SetNestedSlice(deployment.Object, containers, path...); err != nil {
		t.Fatal(err)
	}

	return images
}
