// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// documented are the commands under each heading of config/README.md, by the word behind "sh": "" must succeed, "refused" must not.
func documented(t *testing.T) map[string]map[string]string {
	t.Helper()
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "config", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]map[string]string{}
	for _, section := range regexp.MustCompile(`(?m)^##+ `).Split(string(text), -1) {
		heading, body, _ := strings.Cut(section, "\n")
		for _, block := range regexp.MustCompile("(?ms)^```sh *(\\w*)\n(.*?)^```$").FindAllStringSubmatch(body, -1) {
			if found[heading] == nil {
				found[heading] = map[string]string{}
			}
			found[heading][block[1]] += block[2]
		}
	}

	return found
}

// reader runs documented commands in a shell, as a reader does.
type reader struct {
	plane    *testkit.ControlPlane
	admin    client.Client
	commands map[string]map[string]string
	env      []string
	run      map[string]bool // headings whose commands were run
}

// newReader starts a control plane, and gives its administrator a shell with kubectl.
func newReader(t *testing.T) *reader {
	t.Helper()
	plane := testkit.StartFor(t, testkit.Options{})
	admin, err := plane.Client()
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := plane.Kubeconfig("reader", "system:masters")
	if err != nil {
		t.Fatal(err)
	}

	return &reader{plane: plane, admin: admin, env: append(os.Environ(),
		"KUBECONFIG="+kubeconfig, "KUBECACHEDIR="+filepath.Join(plane.Folder(), "cache"), "KUBECTL_KUBERC=false", "TMPDIR="+plane.Folder(),
		"PATH="+filepath.Dir(plane.Program("kubectl"))+":"+os.Getenv("PATH"))}
}

// follow runs the commands under a heading and returns what they print.
func (r *reader) follow(t *testing.T, heading, outcome string) string {
	t.Helper()
	commands := r.commands[heading][outcome]
	if commands == "" {
		t.Fatalf("config/README.md has no commands %q under %q", outcome, heading)
	}
	r.run[heading+outcome] = true
	shell := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", commands)
	shell.Env = r.env
	out, err := shell.CombinedOutput()
	if (err == nil) != (outcome == "") {
		t.Fatalf("%s: %v\n%s", heading, err, out)
	}

	return string(out)
}

// secret reads a Secret named main-website.
func (r *reader) secret(t *testing.T, namespace string) map[string]string {
	t.Helper()
	var secret corev1.Secret
	if err := r.admin.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "main-website"}, &secret); err != nil {
		t.Fatal(err)
	}
	data := map[string]string{}
	for name, value := range secret.Data {
		data[name] = string(value)
	}

	return data
}

func (r *reader) permissions(t *testing.T) []v1alpha1.Permission {
	t.Helper()
	var key v1alpha1.APIKey
	if err := r.admin.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "main-website"}, &key); err != nil {
		t.Fatal(err)
	}

	return key.Spec.Permissions
}

// operate runs the operator by a clock until the returned function is called.
func (r *reader) operate(t *testing.T, clk clock.PassiveClock) (stop func()) {
	t.Helper()
	end, err := r.plane.RunOperatorBy(t.Context(), clk)
	if err != nil {
		t.Fatal(err)
	}

	return func() {
		if err := end(); err != nil {
			t.Error(err)
		}
	}
}

// TestDocumentedCommands runs the commands of config/README.md on a real API server, in their order.
func TestDocumentedCommands(t *testing.T) {
	r := newReader(t)
	r.commands, r.run = documented(t), map[string]bool{}
	admin := r.admin
	key := &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "main-website"},
		Spec:       v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentProduction, Permissions: []v1alpha1.Permission{"customers:read"}},
	}
	for _, object := range []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "reporting"}}, key} {
		if err := admin.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	stop := r.operate(t, clock.RealClock{})
	eventuallyActive(t, admin, key)

	first := r.secret(t, "default")
	r.follow(t, "Wait for a rotation", "")
	second := r.secret(t, "default")
	if second["api-key"] == first["api-key"] || second["previous-api-key"] != "" {
		t.Error("the key was not replaced at once, and without an overlap")
	}
	r.follow(t, "Delivery once", "")
	partner := &v1alpha1.APIKey{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "partner"}}
	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(partner), partner); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(r.plane.Folder(), "partner.key")
	if taken, err := os.ReadFile(file); err != nil || keys.DigestOf(string(taken)).ID() != partner.Status.Keys[0].ID {
		t.Errorf("the key that was claimed is not the one that works: %v", err)
	}
	stop()

	// Two months later.
	stop = r.operate(t, clocktesting.NewFakePassiveClock(time.Now().Add(60*24*time.Hour)))
	said := r.follow(t, "Add a schedule to an older key", "")
	third := r.secret(t, "default")
	if third["api-key"] == second["api-key"] || third["previous-api-key"] != second["api-key"] {
		t.Error("the older key was not replaced at once, or does not work on")
	}
	for _, want := range []string{time.Now().UTC().Format("2006"), "condition met", "the old key works on"} {
		if !strings.Contains(said, want) {
			t.Errorf("the commands print %q, want %q in it", said, want)
		}
	}

	r.follow(t, "A key in another namespace", "")
	if diff := cmp.Diff(map[string]string{"api-key": third["api-key"]}, r.secret(t, "reporting")); diff != "" {
		t.Error("the copy is another")
	}

	r.commands["left out"] = map[string]string{"": `kubectl apply --server-side -f - <<<'` +
		`{apiVersion: apikey-operator.io/v1alpha1, kind: APIKey, metadata: {name: main-website}, spec: {environment: Production}}'`}
	r.follow(t, "left out", "") // as the document says, that takes nothing away
	said = r.follow(t, "Take every permission away", "refused")
	if got := r.permissions(t); !strings.Contains(said, `must be of type array: "null"`) || len(got) != 1 {
		t.Errorf("the permissions are %v, and kubectl says %s", got, said)
	}
	r.follow(t, "Take every permission away", "")
	if got := r.permissions(t); len(got) != 0 {
		t.Errorf("the permissions are %v", got)
	}
	for _, name := range []string{"gateways", "valkey"} {
		if err := r.admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			t.Fatal(err)
		}
	}
	r.follow(t, "Network", "")
	stop()
	for heading, blocks := range r.commands {
		for outcome := range blocks {
			if !r.run[heading+outcome] {
				t.Errorf("the commands %q under %q are in no test", outcome, heading)
			}
		}
	}
}
