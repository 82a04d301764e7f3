// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// readmeStep is a command of README.md, by a part of it, and what holds some time after it.
type readmeStep struct {
	command string
	then    func(ctx context.Context) (bool, error)
}

// TestReadme applies the manifest of README.md and runs every kubectl command in its tables, in their order, on a real API server.
func TestReadme(t *testing.T) {
	readme := readDocument(t, "README.md")
	manifest, secret := readmeExample(t, readme)
	r := newReader(t)
	admin := r.admin
	stop := r.operate(t, clock.RealClock{})
	defer stop()

	r.shell(t, "kubectl apply -f - <<'END'\n"+manifest+"END")
	steps := readmeSteps(admin, secret)
	commands := regexp.MustCompile("(?m)^\\|[^`\n]*`(kubectl [^`]+)`").FindAllStringSubmatch(readme, -1)
	if len(commands) != len(steps) {
		t.Fatalf("README.md has %d commands, and the test knows %d: %q", len(commands), len(steps), commands)
	}
	for i, step := range steps {
		if command := commands[i][1]; !strings.Contains(command, step.command) {
			t.Fatalf("command %d of README.md is %q, want %q", i, command, step.command)
		}
		r.shell(t, commands[i][1])
		if err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, patience, true, step.then); err != nil {
			t.Fatalf("after %q: %v", commands[i][1], err)
		}
	}
}

// readmeSteps returns the commands of README.md and their outcome, given the Secret that it shows.
func readmeSteps(admin client.Client, shown corev1.Secret) []readmeStep {
	name := client.ObjectKey{Namespace: metav1.NamespaceDefault, Name: shown.Name}
	status := func(holds func(v1alpha1.APIKeyStatus) bool) func(context.Context) (bool, error) {
		return func(ctx context.Context) (bool, error) {
			var apikey v1alpha1.APIKey
			err := admin.Get(ctx, name, &apikey)

			return err == nil && holds(apikey.Status), err
		}
	}
	phase := func(want v1alpha1.Phase) func(context.Context) (bool, error) {
		return status(func(s v1alpha1.APIKeyStatus) bool { return s.Phase == want })
	}
	trigger := func(want v1alpha1.RotationTrigger) func(context.Context) (bool, error) {
		return status(func(s v1alpha1.APIKeyStatus) bool { return s.LastRotation.Trigger == want && len(s.Keys) == 1 })
	}
	gone := func(object client.Object) func(context.Context) (bool, error) {
		return func(ctx context.Context) (bool, error) {
			err := admin.Get(ctx, name, object)

			return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
		}
	}

	return []readmeStep{
		{"kubectl wait", func(ctx context.Context) (bool, error) {
			var secret corev1.Secret
			err := admin.Get(ctx, name, &secret)
			_, there := secret.Data["api-key"]

			return err == nil && there && secret.Type == shown.Type, err
		}},
		{"kubectl get", phase(v1alpha1.PhaseActive)},
		{"rotate=\"$(date", trigger(v1alpha1.TriggerAnnotation)},
		{"leak-4711", status(func(s v1alpha1.APIKeyStatus) bool { return s.LastRotation.Name == "leak-4711" })},
		{"delete secret", trigger(v1alpha1.TriggerSecretDeleted)},
		{"suspend", phase(v1alpha1.PhaseSuspended)},
		{"revoked", func(ctx context.Context) (bool, error) {
			if revoked, err := phase(v1alpha1.PhaseRevoked)(ctx); !revoked {
				return false, err
			}

			return gone(&corev1.Secret{})(ctx)
		}},
		{"kubectl delete ak", gone(&v1alpha1.APIKey{})},
		{"explain", gone(&v1alpha1.APIKey{})},
	}
}

// readmeExample returns the manifest that README.md begins with, and the Secret that it says comes of it.
func readmeExample(t *testing.T, readme string) (manifest string, secret corev1.Secret) {
	t.Helper()
	block := regexp.MustCompile("(?ms)^```yaml\n(.*?)^---\n(.*?)^```$").FindStringSubmatch(readme)
	if block == nil {
		t.Fatal("README.md does not begin with two objects")
	}
	if err := yaml.UnmarshalStrict([]byte(block[2]), &secret); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Parse(secret.StringData["api-key"]); err != nil {
		t.Errorf("the key in README.md: %v", err)
	}

	return block[1], secret
}

// shell runs a command as a reader does, in the folder of the repository.
func (r *reader) shell(t *testing.T, command string) {
	t.Helper()
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}
	shell := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", command)
	shell.Dir, shell.Env = root, r.env
	if out, err := shell.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

func readDocument(t *testing.T, path string) string {
	t.Helper()
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}

	return string(text)
}

// documents are the documents that are written by hand, and the generated reference that they link to.
func documents() []string {
	return []string{
		"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", ".github/SECURITY.md", "api/v1alpha1/README.md",
		"cmd/kubectl-apikey/README.md", "config/secret-scanning/README.md",
		"config/README.md", "config/gitops/README.md", "config/policy/README.md", "config/prometheus/README.md", "config/samples/gateways/README.md",
	}
}

// TestDocumentedTargets looks every `make` command of the documents up in the Makefile.
func TestDocumentedTargets(t *testing.T) {
	targets := map[string]bool{}
	for _, found := range regexp.MustCompile(`(?m)^\.PHONY: (.*)$`).FindAllStringSubmatch(readDocument(t, "Makefile"), -1) {
		for target := range strings.FieldsSeq(found[1]) {
			targets[target] = true
		}
	}
	for _, path := range documents() {
		for _, found := range regexp.MustCompile("(?m)(?:^|`)make ([a-z0-9-]+(?: [a-z0-9-]+)*)").FindAllStringSubmatch(readDocument(t, path), -1) {
			for target := range strings.FieldsSeq(found[1]) {
				if !targets[target] {
					t.Errorf("%s: %q: the Makefile has no target %s", path, found[0], target)
				}
			}
		}
	}
}

// TestDocumentLengths keeps the two documents that readers begin with short.
func TestDocumentLengths(t *testing.T) {
	for path, limit := range map[string]int{"README.md": 200, "ARCHITECTURE.md": 250} {
		if lines := strings.Count(readDocument(t, path), "\n"); lines > limit {
			t.Errorf("%s has %d lines, at most %d are allowed: move details to the document or doc.go of their subject", path, lines, limit)
		}
	}
}

// TestDocumentedLinks follows every relative link of the documents, to a file and to a heading of it.
func TestDocumentedLinks(t *testing.T) {
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range documents() {
		for _, found := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(readDocument(t, path), -1) {
			file, anchor, _ := strings.Cut(found[1], "#")
			if strings.Contains(file, "://") {
				continue
			}
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), file)
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s links to %s: %v", path, found[1], err)
			} else if anchor != "" && !slices.Contains(anchors(readDocument(t, target)), anchor) {
				t.Errorf("%s links to %s: there is no such heading", path, found[1])
			}
		}
	}
}

// anchors are the names that GitHub gives the headings of a document.
func anchors(text string) []string {
	var names []string
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		name := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}

	return names
}

func TestAnchors(t *testing.T) {
	want := []string{"one-two-three", "a-gateways-own-path"}
	if diff := cmp.Diff(want, anchors("# One two, three\ntext\n## A gateway's `own` path\n")); diff != "" {
		t.Error(diff)
	}
}
