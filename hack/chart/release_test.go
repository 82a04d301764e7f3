// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/internal/installation"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// site is a control plane with a Helm and a kubectl that administrate it.
type site struct {
	plane      *testkit.ControlPlane
	helm       helm
	kubeconfig string
}

func newSite(t *testing.T) site {
	t.Helper()

	return siteOf(t, "helm")
}

// siteOf returns a site with the Helm that is built under a name.
func siteOf(t *testing.T, name string) site {
	t.Helper()
	helmOf(t, name) // skips before the control plane starts
	plane := testkit.StartFor(t, testkit.Options{WithoutCRDs: true})
	kubeconfig, err := plane.Kubeconfig("installer", "system:masters")
	if err != nil {
		t.Fatal(err)
	}

	return site{plane: plane, helm: helmOf(t, name, "KUBECONFIG="+kubeconfig), kubeconfig: kubeconfig}
}

// kubectl returns what kubectl writes to stdout, and what to stderr.
func (s site) kubectl(t *testing.T, stdin string, args ...string) (string, string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), s.plane.Program("kubectl"), append([]string{"--kubeconfig=" + s.kubeconfig}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, complaint.String())
	}

	return out.String(), complaint.String()
}

// field returns a field of an object by a JSON path.
func (s site) field(t *testing.T, object, path string) string {
	t.Helper()
	out, _ := s.kubectl(t, "", "get", object, "--namespace="+defaultNamespace, "--output=jsonpath={"+path+"}")

	return out
}

// names returns the names of all objects of some kinds that belong to the project.
func (s site) names(t *testing.T, kinds string) []string {
	t.Helper()
	out, _ := s.kubectl(t, "", "get", kinds, "--all-namespaces", "--selector=app.kubernetes.io/name=apikey-operator", "--output=name")

	return slices.Sorted(slices.Values(strings.Fields(out)))
}

// ready runs the command of the notes, which waits until the API server creates APIKeys, and creates one.
func (s site) ready(t *testing.T) {
	t.Helper()
	notes := s.helm.must(t, "get", "notes", defaultRelease, "--namespace", defaultNamespace)
	script := regexp.MustCompile(`(?s) {3}until kubectl.*?do sleep 1; done\n`).FindString(notes)
	if script == "" {
		t.Fatalf("the notes have no command that waits:\n%s", notes)
	}
	script = regexp.MustCompile(`(?m)^ {3}`).ReplaceAllString(script, "")
	ctx, cancel := context.WithTimeout(t.Context(), installation.Limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-euc", script)
	cmd.Env = []string{"KUBECONFIG=" + s.kubeconfig, "HOME=" + t.TempDir(), "PATH=" + filepath.Dir(s.plane.Program("kubectl")) + ":" + os.Getenv("PATH")}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

const firstKey = `
apiVersion: apikey-operator.io/v1alpha1
kind: APIKey
metadata: {name: first, namespace: apikey-operator-system}
spec: {environment: Development}
`

// TestRelease installs, upgrades, rolls back and uninstalls the chart with the real Helm, and installs it again.
func TestRelease(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	chart := folder(t, "config", "chart")
	s.helm.must(t, "install", defaultRelease, olderChart(t), "--namespace", defaultNamespace, "--create-namespace")
	s.ready(t)
	s.kubectl(t, firstKey, "create", "--filename=-") // the first one is not refused
	if got := s.field(t, "crd/apikeys.apikey-operator.io", ".spec.names.categories[*]"); got != "older" {
		t.Errorf("the older CRD has category %q", got)
	}

	s.helm.must(t, "upgrade", defaultRelease, chart, "--namespace", defaultNamespace, "--set=verifier.replicas=3")
	if got := s.field(t, "crd/apikeys.apikey-operator.io", ".spec.names.categories[*]"); got != "apikey-operator" {
		t.Errorf("the upgraded CRD has category %q", got)
	}
	if got := s.field(t, "deployment/apikey-operator-verifier", ".spec.replicas"); got != "3" {
		t.Errorf("%s replicas after the upgrade", got)
	}
	s.helm.must(t, "rollback", defaultRelease, "1", "--namespace", defaultNamespace)
	if got := s.field(t, "deployment/apikey-operator-verifier", ".spec.replicas"); got != "2" {
		t.Errorf("%s replicas after the rollback", got)
	}
	s.helm.must(t, "upgrade", defaultRelease, chart, "--namespace", defaultNamespace)
	ctx, cancel := context.WithTimeout(t.Context(), installation.Limit)
	defer cancel()
	if _, err := installation.AwaitGuardrails(ctx, s.plane.Config); err != nil {
		t.Fatal(err)
	}

	t.Run("uninstall keeps keys and what guards them", s.uninstallKeeps)
	t.Run("uninstall removes everything when told to", s.uninstallRemoves)
}

// olderChart returns a copy of the chart with another CRD.
func olderChart(t *testing.T) string {
	t.Helper()
	older := filepath.Join(t.TempDir(), "apikey-operator")
	if err := os.CopyFS(older, os.DirFS(folder(t, "config", "chart"))); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(older, "templates", "crds.yaml")
	crds, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.ReplaceAll(crds, []byte("categories:\n    - apikey-operator\n"), []byte("categories:\n    - older\n"))
	if bytes.Equal(changed, crds) {
		t.Fatal("the CRDs have no category apikey-operator")
	}
	if err := os.WriteFile(file, changed, 0o600); err != nil { //nolint:gosec // G703: a folder of the test
		t.Fatal(err)
	}

	return older
}

// uninstallKeeps uninstalls the release and installs it again: APIKeys, guardrails and the address of the Service stay the same.
func (s site) uninstallKeeps(t *testing.T) {
	address := s.field(t, "service/apikey-operator-verifier", ".spec.clusterIP")
	uid := types.UID(s.field(t, "apikey/first", ".metadata.uid"))
	const kept = "crd,validatingadmissionpolicies,validatingadmissionpolicybindings"
	guarded := s.names(t, kept)
	s.helm.must(t, "uninstall", defaultRelease, "--namespace", defaultNamespace)
	if diff := cmp.Diff(guarded, s.names(t, kept)); diff != "" || len(guarded) != 3+2*7 {
		t.Errorf("CRDs and guardrails (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"service/apikey-operator-verifier"}, s.names(t, everythingElse)); diff != "" {
		t.Errorf("what else is left (-want +got):\n%s", diff)
	}
	s.helm.must(t, "install", defaultRelease, folder(t, "config", "chart"), "--namespace", defaultNamespace)
	if got := s.field(t, "service/apikey-operator-verifier", ".spec.clusterIP"); got != address {
		t.Errorf("the Service has address %s, and had %s", got, address)
	}
	if got := types.UID(s.field(t, "apikey/first", ".metadata.uid")); got != uid {
		t.Errorf("the APIKey has uid %s, and had %s", got, uid)
	}
}

// everythingElse are the kinds of a release besides CRDs and guardrails.
const everythingElse = "deployments,services,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings," +
	"networkpolicies,poddisruptionbudgets,horizontalpodautoscalers,priorityclasses"

func (s site) uninstallRemoves(t *testing.T) {
	s.helm.must(t, "upgrade", defaultRelease, folder(t, "config", "chart"), "--namespace", defaultNamespace,
		"--set=crds.keep=false,guardrails.keep=false,verifier.service.keep=false")
	s.helm.must(t, "uninstall", defaultRelease, "--namespace", defaultNamespace)
	s.kubectl(t, "", "wait", "--for=delete", "crd/apikeys.apikey-operator.io", "--timeout="+installation.Limit.String())
	if left := s.names(t, "crd,validatingadmissionpolicies,validatingadmissionpolicybindings,"+everythingElse); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestAPIServerTakesEveryRender sends each variant, config/default and the overlay to an API server, which checks all fields, and warns
// where a namespace that restricts pods would refuse one.
func TestAPIServerTakesEveryRender(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	foreign, err := os.ReadFile(filepath.Join("testdata", "foreign-crds.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s.kubectl(t, string(foreign), "create", "--filename=-")
	for _, namespace := range []string{defaultNamespace, "team-a", "team-b", "monitoring", "grafana"} {
		s.kubectl(t, "", "create", "namespace", namespace)
	}
	s.kubectl(t, "", "label", "namespace", defaultNamespace, "pod-security.kubernetes.io/warn=restricted")
	s.kubectl(t, "", "wait", "--for=condition=Established", "crd", "--all")
	renders := map[string]string{}
	for _, path := range []string{"default", "overlays/high-availability", "overlays/namespaces"} {
		out, _ := s.kubectl(t, "", "kustomize", folder(t, "config", path))
		renders["config/"+path] = out
	}
	for _, file := range append(variants(t), folder(t, "config", "chart", "values.yaml")) {
		renders["chart with "+variant(file)] = s.helm.must(t, "template", defaultRelease, folder(t, "config", "chart"),
			"--namespace", defaultNamespace, "--values", file)
	}
	for name, manifests := range renders {
		t.Run(name, func(t *testing.T) {
			_, warnings := s.kubectl(t, manifests, "apply", "--server-side", "--dry-run=server", "--validate=strict", "--filename=-")
			if warnings != "" {
				t.Error(warnings)
			}
		})
	}
}
