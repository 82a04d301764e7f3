// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// conformity is kubeconform with a folder of schemas.
type conformity struct{ program, schemas string }

// check returns what kubeconform finds wrong in manifests, and how many objects are right.
func (c conformity) check(t *testing.T, manifests string) (string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), c.program, "-strict", "-summary", "-output=json", "-schema-location",
		filepath.Join(c.schemas, "{{.Group}}_{{.ResourceAPIVersion}}_{{.ResourceKind}}.json"), "-")
	cmd.Stdin = strings.NewReader(manifests)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	var report struct {
		Resources []json.RawMessage
		Summary   struct{ Valid, Invalid, Errors, Skipped int }
	}
	if unreadable := json.Unmarshal(out, &report); unreadable != nil {
		t.Fatalf("%v: %v\n%s%s", err, unreadable, out, complaint.String())
	}
	var wrong strings.Builder
	for _, resource := range report.Resources { // those that are right are left out
		wrong.Write(resource)
		wrong.WriteByte('\n')
	}
	if (err != nil) != (wrong.Len() > 0) || report.Summary.Skipped > 0 {
		t.Fatalf("%v, with %d objects skipped: %s", err, report.Summary.Skipped, complaint.String())
	}

	return wrong.String(), report.Summary.Valid
}

// TestKubeconform compares every manifest with the schemas of an API server and of the CRDs, to which no field may be added.
func TestKubeconform(t *testing.T) {
	t.Parallel()
	program := testkit.FindBuilt(t, "charts", "kubeconform")
	s := newSite(t)
	c := conformity{program: program, schemas: writeSchemas(t, s)}
	manifests := map[string]string{}
	for _, path := range []string{"default", "overlays/high-availability", "overlays/namespaces"} {
		manifests["config/"+path], _ = s.kubectl(t, "", "kustomize", folder(t, "config", path))
	}
	for _, file := range append(variants(t), folder(t, "config", "chart", "values.yaml")) {
		manifests["chart with "+variant(file)] = s.helm.must(t, "template", defaultRelease, folder(t, "config", "chart"), "--values", file)
	}
	released := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), folder(t, "hack", "manifests.sh"), "v1.2.3", released).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	manifests["install.yaml"] = string(content(t, released, "install.yaml"))
	samples, err := filepath.Glob(folder(t, "config", "samples", "*.yaml"))
	if err != nil || len(samples) == 0 {
		t.Fatalf("there are no samples: %v", err)
	}
	for _, file := range samples {
		if filepath.Base(file) != "kustomization.yaml" {
			manifests["config/samples/"+filepath.Base(file)] = string(content(t, filepath.Dir(file), filepath.Base(file)))
		}
	}
	for name, text := range manifests {
		t.Run(name, func(t *testing.T) {
			wrong, right := c.check(t, text)
			if wrong != "" || right == 0 {
				t.Errorf("%d objects are right, and these are not:\n%s", right, wrong)
			}
		})
	}
	t.Run("what is wrong", func(t *testing.T) { c.checkFindsMistakes(t, manifests) })
}

// checkFindsMistakes makes one mistake in manifests that are right, and expects that it is found where it is.
func (c conformity) checkFindsMistakes(t *testing.T, manifests map[string]string) {
	for name, mistake := range map[string]struct{ in, old, wrong, want string }{
		"an unknown field of a container":       {"install.yaml", "readOnlyRootFilesystem:", "readOnlyRootFileSystem:", "readOnlyRootFileSystem"},
		"an unknown field of a NetworkPolicy":   {"install.yaml", "policyTypes:", "policyType:", "policyType"},
		"an unknown field of a guardrail":       {"install.yaml", "failurePolicy:", "failPolicy:", "failPolicy"},
		"an unknown field of a CRD":             {"install.yaml", "    shortNames:\n", "    shortName:\n", "shortName"},
		"a text for a number":                   {"install.yaml", "replicas: 2", "replicas: two", "/spec/replicas"},
		"an unknown field of a HPA":             {"chart with gateways", "averageUtilization:", "averageUtilisation:", "averageUtilisation"},
		"an unknown field of an APIKey":         {"config/samples/apikey_minimal.yaml", "environment:", "surroundings:", "surroundings"},
		"a value that an APIKey does not take":  {"config/samples/apikey_minimal.yaml", "environment: ", "environment: Moon #", "/spec/environment"},
		"an unknown field of an object's names": {"install.yaml", "  namespace: apikey-operator-system\n", "  nameSpace: x\n", "nameSpace"},
	} {
		wrong, _ := c.check(t, strings.Replace(manifests[mistake.in], mistake.old, mistake.wrong, 1))
		if !strings.Contains(manifests[mistake.in], mistake.old) || !strings.Contains(wrong, mistake.want) {
			t.Errorf("%s: found %q, want %q", name, wrong, mistake.want)
		}
	}
}

// writeSchemas writes a JSON schema for each kind of the API server and of the project. Those of other projects that the chart can make have no
// schema here, so their fields are not checked.
func writeSchemas(t *testing.T, s site) string {
	t.Helper()
	text, _ := s.kubectl(t, "", "get", "--raw", "/openapi/v2")
	foreign, err := os.ReadFile(filepath.Join("testdata", "foreign-crds.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	own, _ := s.kubectl(t, "", "kustomize", folder(t, "config", "crd"))
	into := t.TempDir()
	for name, schema := range schemas(t, []byte(text), objectsOf(t, own+"\n---\n"+string(foreign))) {
		data, err := json.Marshal(schema)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(into, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	return into
}
