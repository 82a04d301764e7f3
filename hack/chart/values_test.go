// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

var update = flag.Bool("update", false, "write the golden files")

// generated are the kinds that TestChartAndKustomizeRenderTheSameObjects compares and no value changes: golden files leave them out.
var generated = []string{"CustomResourceDefinition", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}

// TestGoldenRenders pins what the chart renders without values, and what each variant changes.
func TestGoldenRenders(t *testing.T) {
	t.Parallel()
	h := newHelm(t)
	standard := text(t, h.template(t, defaultRelease, defaultNamespace))
	var all strings.Builder
	for _, name := range slices.Sorted(maps.Keys(standard)) {
		all.WriteString("---\n" + standard[name])
	}
	testkit.Golden(t, "default.yaml", all.String(), *update)
	for _, file := range variants(t) {
		t.Run(variant(file), func(t *testing.T) {
			t.Parallel()
			changed := text(t, h.template(t, defaultRelease, defaultNamespace, "--values", file))
			var golden strings.Builder
			for _, name := range slices.Sorted(maps.Keys(standard)) {
				if _, there := changed[name]; !there {
					golden.WriteString("# without " + name + "\n")
				}
			}
			for _, name := range slices.Sorted(maps.Keys(changed)) {
				if changed[name] != standard[name] {
					golden.WriteString("---\n" + changed[name])
				}
			}
			testkit.Golden(t, variant(file)+".yaml", golden.String(), *update)
		})
	}
}

// text returns the objects of a render by name.
func text(t testing.TB, objects []*unstructured.Unstructured) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, object := range objects {
		if slices.Contains(generated, object.GetKind()) {
			continue
		}
		data, err := yaml.Marshal(withoutCopy(object))
		if err != nil {
			t.Fatal(err)
		}
		found[key(object)] = string(data)
	}

	return found
}

// TestEveryValueChangesTheRender takes each value of values.yaml out of a variant that sets it, and expects another render, or that
// the schema requires the value.
func TestEveryValueChangesTheRender(t *testing.T) {
	t.Parallel()
	h := newHelm(t)
	values := map[string]map[string]any{}
	for _, file := range variants(t) {
		values[file] = read(t, file)
	}
	renders := map[string]map[string]map[string]any{}
	for file := range values {
		renders[file] = objectsByKey(h.template(t, defaultRelease, defaultNamespace, "--values", file))
	}
	for _, path := range described(t) {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			fields := strings.Split(path, ".")
			setSomewhere := false
			for _, file := range slices.Sorted(maps.Keys(values)) {
				without := (&unstructured.Unstructured{Object: values[file]}).DeepCopy().Object
				if _, set, _ := unstructured.NestedFieldNoCopy(without, fields...); !set {
					continue
				}
				setSomewhere = true
				unstructured.RemoveNestedField(without, fields...)
				out, err := h.run(t, "template", defaultRelease, folder(t, "config", "chart"), "--namespace", defaultNamespace, "--values", write(t, without))
				if err != nil && strings.Contains(err.Error(), strings.ReplaceAll(path, ".", "/")) {
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if !cmp.Equal(renders[file], objectsByKey(objectsOf(t, out))) {
					return
				}
			}
			if !setSomewhere {
				t.Error("no variant in config/chart/ci sets it")
			} else {
				t.Error("the chart renders the same with and without it")
			}
		})
	}
}

// described returns the paths of the values that the README lists.
func described(t testing.TB) []string {
	t.Helper()
	values, err := os.ReadFile(folder(t, "config", "chart", "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	table, err := tableOf(values)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for line := range strings.SplitSeq(table, "\n") {
		if path, found := strings.CutPrefix(line, "| `"); found {
			path, _, _ = strings.Cut(path, "`")
			paths = append(paths, path)
		}
	}

	return paths
}

// TestSchemaKnowsEveryValue compares the names in values.yaml with those that the schema allows.
func TestSchemaKnowsEveryValue(t *testing.T) {
	schema := read(t, folder(t, "config", "chart", "values.schema.json"))
	properties, _, err := unstructured.NestedMap(schema, "properties")
	if err != nil {
		t.Fatal(err)
	}
	delete(properties, "global") // Helm adds it to the values of a dependency
	sameNames(t, "", properties, read(t, folder(t, "config", "chart", "values.yaml")))
}

// sameNames compares the properties of a schema with the fields of values, down to values of any name.
func sameNames(t *testing.T, path string, properties, values map[string]any) {
	t.Helper()
	if diff := cmp.Diff(slices.Sorted(maps.Keys(properties)), slices.Sorted(maps.Keys(values))); diff != "" {
		t.Errorf("%s (-schema +values.yaml):\n%s", path, diff)
	}
	for name, property := range properties {
		below, _, _ := unstructured.NestedMap(map[string]any{"property": property}, "property", "properties")
		object, _ := values[name].(map[string]any)
		if len(below) > 0 && len(object) > 0 {
			sameNames(t, path+"."+name, below, object)
		}
	}
}

// read returns the content of a YAML or JSON file.
func read(t testing.TB, file string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var content map[string]any
	if err := yaml.UnmarshalStrict(data, &content); err != nil {
		t.Fatalf("%s: %v", file, err)
	}

	return content
}

// write returns the path of a file with values.
func write(t testing.TB, values map[string]any) string {
	t.Helper()
	data, err := yaml.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}

	return file
}

func objectsByKey(objects []*unstructured.Unstructured) map[string]map[string]any {
	found := map[string]map[string]any{}
	for _, object := range objects {
		found[key(object)] = object.Object
	}

	return found
}
