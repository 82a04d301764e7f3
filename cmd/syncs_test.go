// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// syncs is how often each pipeline applies its manifests.
const syncs = 50

// TestSyncsChangeNothing applies config/samples again and again, as pipelines do that know no difference.
func TestSyncsChangeNothing(t *testing.T) {
	r := newReader(t)
	stop := r.operate(t, clock.RealClock{})
	defer stop()
	helm := testkit.FindBuilt(t, "charts", "helm")
	for name, program := range map[string][]string{
		"client-side apply": {"kubectl", "apply", "-k"},
		"server-side apply": {"kubectl", "apply", "--server-side", "--field-manager=argocd-controller", "-k"},
		"server-side apply that takes over": {
			"kubectl", "apply", "--server-side", "--field-manager=kustomize-controller", "--force-conflicts", "-k",
		},
		"helm":                      {helm, "upgrade", "--install", "keys"},
		"helm by client-side apply": {helm, "upgrade", "--install", "--server-side=false", "keys"},
	} {
		t.Run(name, func(t *testing.T) {
			p := r.newPipeline(t, program)
			p.sync(t)
			p.settle(t, "before")
			before := p.state(t)
			if len(before) < 2*len(p.apikeys(t)) || len(p.apikeys(t)) < 4 {
				t.Fatalf("the samples and their Secrets are not all there: %v", before)
			}
			for range syncs {
				p.sync(t)
			}
			p.settle(t, "after")
			after := p.state(t)
			delete(after, "APIKey after")
			delete(after, "Secret after")
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("%d syncs changed (-before +after):\n%s", syncs, diff)
			}
		})
	}
}

// pipeline applies the same manifests to a namespace of its own.
type pipeline struct {
	*reader
	namespace string
	program   []string // and its arguments, up to the folder of the manifests
	manifests string
}

func (r *reader) newPipeline(t *testing.T, program []string) *pipeline {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "pipeline-"}}
	if err := r.admin.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}

	p := &pipeline{reader: r, namespace: namespace.Name, program: program, manifests: filepath.Join(root, "config", "samples")}
	if slices.Contains(program, "upgrade") {
		p.manifests = chartOf(t, p.manifests)
	}

	return p
}

// chartOf returns the folder of a chart whose templates are the manifests of a folder.
func chartOf(t *testing.T, folder string) string {
	t.Helper()
	chart := t.TempDir()
	templates := filepath.Join(chart, "templates")
	if err := os.Mkdir(templates, 0o750); err != nil {
		t.Fatal(err)
	}
	description := []byte("{apiVersion: v2, name: keys, version: 1.0.0}\n")
	if err := os.WriteFile(filepath.Join(chart, "Chart.yaml"), description, 0o600); err != nil {
		t.Fatal(err)
	}
	manifests, err := filepath.Glob(filepath.Join(folder, "apikey_*.yaml"))
	if err != nil || len(manifests) == 0 {
		t.Fatalf("no manifests in %s: %v", folder, err)
	}
	for _, manifest := range manifests {
		content, err := os.ReadFile(manifest)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(templates, filepath.Base(manifest)), content, 0o600); err != nil { //nolint:gosec // G703: a folder of this test
			t.Fatal(err)
		}
	}

	return chart
}

func (p *pipeline) sync(t *testing.T) {
	t.Helper()
	arguments := append(slices.Clone(p.program[1:]), p.manifests, "-n", p.namespace)
	command := exec.CommandContext(t.Context(), "bash", append([]string{"-c", `"$0" "$@"`, p.program[0]}, arguments...)...)
	command.Env = p.env // its PATH has kubectl
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// settle waits until the operator has handled every earlier change: until an APIKey that is created now is Active and the event about it is there.
func (p *pipeline) settle(t *testing.T, marker string) {
	t.Helper()
	apikey := &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: marker},
		Spec:       v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentDevelopment},
	}
	if err := p.admin.Create(t.Context(), apikey); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); !p.settled(t); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the operator did not mint and report every key within a minute")
		}
	}
}

// settled reports whether every APIKey is Active and has an event.
func (p *pipeline) settled(t *testing.T) bool {
	t.Helper()
	events := p.events(t)

	return !slices.ContainsFunc(p.apikeys(t), func(apikey v1alpha1.APIKey) bool {
		return apikey.Status.Phase != v1alpha1.PhaseActive || events[apikey.Name] == 0
	})
}

func (p *pipeline) apikeys(t *testing.T) []v1alpha1.APIKey {
	t.Helper()
	var list v1alpha1.APIKeyList
	if err := p.admin.List(t.Context(), &list, client.InNamespace(p.namespace)); err != nil {
		t.Fatal(err)
	}

	return list.Items
}

// events returns how often events concern each APIKey.
func (p *pipeline) events(t *testing.T) map[string]int32 {
	t.Helper()
	var list eventsv1.EventList
	if err := p.admin.List(t.Context(), &list, client.InNamespace(p.namespace)); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int32{}
	for _, event := range list.Items {
		counts[event.Regarding.Name]++
		if event.Series != nil {
			counts[event.Regarding.Name] += event.Series.Count
		}
	}

	return counts
}

// state returns the version of each APIKey and Secret, and the number of events about it.
func (p *pipeline) state(t *testing.T) map[string]string {
	t.Helper()
	var secrets corev1.SecretList
	if err := p.admin.List(t.Context(), &secrets, client.InNamespace(p.namespace)); err != nil {
		t.Fatal(err)
	}
	state, events := map[string]string{}, p.events(t)
	for _, secret := range secrets.Items {
		if secret.Type != v1alpha1.SecretType { // Helm keeps its releases in Secrets
			continue
		}
		state["Secret "+secret.Name] = secret.ResourceVersion
	}
	for _, apikey := range p.apikeys(t) {
		state["APIKey "+apikey.Name] = fmt.Sprintf("version %s, %d events", apikey.ResourceVersion, events[apikey.Name])
	}

	return state
}

// TestArgoCDSettings runs the command of config/gitops/README.md on a ConfigMap that holds other settings already.
func TestArgoCDSettings(t *testing.T) {
	r := newReader(t)
	settings := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "argocd-cm"}, Data: map[string]string{"url": "https://cd.example.com"},
	}
	for _, object := range []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "argocd"}}, settings} {
		if err := r.admin.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	r.shell(t, shellBlock(t, readDocument(t, "config/gitops/README.md")))
	if err := r.admin.Get(t.Context(), client.ObjectKeyFromObject(settings), settings); err != nil {
		t.Fatal(err)
	}
	if names := slices.Sorted(maps.Keys(settings.Data)); len(names) != 4 || names[3] != "url" {
		t.Errorf("the settings are %v, not the three of the file and those that were there", names)
	}
}

// shellBlock returns the first block of shell commands of a document.
func shellBlock(t *testing.T, text string) string {
	t.Helper()
	_, block, _ := strings.Cut(text, "```sh\n")
	block, _, closed := strings.Cut(block, "```")
	if !closed {
		t.Fatal("no block of shell commands")
	}

	return block
}
