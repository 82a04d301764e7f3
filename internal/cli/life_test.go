// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// transcript runs commands and keeps what a person sees.
type transcript struct {
	*person

	text strings.Builder
}

func (s *transcript) run(args ...string) result {
	s.t.Helper()
	r := s.person.run(args...)
	s.text.WriteString("$ kubectl apikey " + strings.Join(args, " ") + "\n" + r.out + r.err)
	if r.code != cli.ExitDone {
		s.t.Errorf("%s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.out, r.err)
	}

	return r
}

// TestLifeOfAKey walks through everything that the API-key pages of other products offer, on a real API server with a real operator.
func TestLifeOfAKey(t *testing.T) {
	s := &transcript{person: newAdministrator(t, "life")}
	s.run("list")
	s.run("create", "main-website", "--display-name", "Main Website", "--environment", "production",
		"--permission", "customers:read,telemetry:write", "--expires-in", "365d", "--rate-limit", "100/1m,burst=20")
	first := s.key("main-website")
	if first.Status.Phase != v1alpha1.PhaseActive || first.Spec.ValidFor != "8760h" || first.Status.RateLimit.Burst != 20 {
		t.Errorf("create made %+v", first)
	}
	s.run("list")

	s.run("rename", "main-website", "Shop")
	if got := s.key("main-website"); got.Spec.DisplayName != "Shop" || got.Status.Keys[0].Digest != first.Status.Keys[0].Digest {
		t.Errorf("rename made %+v", got)
	}

	old := s.must("reveal", "main-website")
	s.run("rotate", "main-website", "--overlap", "0s", "--yes")
	fresh := s.must("reveal", "main-website")
	if digests := digestsOf(s.key("main-website")); old == fresh || len(digests) != 1 || digests[0] != keys.DigestOf(fresh).String() {
		t.Errorf("after rotate the status holds %v", digests)
	}

	s.run("suspend", "main-website", "--yes")
	s.awaitPhase("main-website", v1alpha1.PhaseSuspended)
	s.run("list", "--status", "inactive")
	s.run("resume", "main-website")
	s.awaitPhase("main-website", v1alpha1.PhaseActive)
	if again := s.must("reveal", "main-website"); again != fresh {
		t.Error("after suspend and resume the key is another one")
	}

	s.run("revoke", "main-website", "--yes")
	s.awaitPhase("main-website", v1alpha1.PhaseRevoked)
	s.run("list")
	s.run("revoke", "main-website", "--yes")
	s.run("delete", "main-website", "--yes")
	s.eventually("the APIKey is gone", func(ctx context.Context) bool {
		return apierrors.IsNotFound(s.cluster.admin.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: "main-website"}, &v1alpha1.APIKey{}))
	})
	s.run("list")
	golden(t, "life.golden", s.text.String())
}

func digestsOf(key *v1alpha1.APIKey) []string {
	var digests []string
	for _, record := range key.Status.Keys {
		digests = append(digests, record.Digest)
	}

	return digests
}

func (p *person) awaitPhase(name string, phase v1alpha1.Phase) {
	p.t.Helper()
	p.eventually(name+" is "+string(phase), func(ctx context.Context) bool {
		var key v1alpha1.APIKey

		return p.cluster.admin.Get(ctx, client.ObjectKey{Namespace: p.namespace, Name: name}, &key) == nil && key.Status.Phase == phase
	})
}

// TestReveal prints the key alone, and only where it should.
func TestReveal(t *testing.T) {
	p := newAdministrator(t, "reveal")
	p.must("create", "web", "--environment", "Development", "--overlap", "1h")
	var secret corev1.Secret
	if err := p.cluster.admin.Get(t.Context(), client.ObjectKey{Namespace: p.namespace, Name: "web"}, &secret); err != nil {
		t.Fatal(err)
	}
	plain := string(secret.Data["api-key"])
	r := p.run("reveal", "web")
	if r.out != plain || !strings.Contains(r.err, "Warning") || strings.Contains(r.err, plain) {
		t.Errorf("reveal printed %d bytes on standard output and on standard error %q", len(r.out), strings.ReplaceAll(r.err, plain, "KEY"))
	}
	if r := p.run("reveal", "web", "--previous"); r.code != cli.ExitFailed || !strings.Contains(r.err, "no overlap is running") {
		t.Errorf("without an overlap: %+v", r)
	}
	p.must("rotate", "web", "--yes")
	if r := p.run("reveal", "web", "--previous"); r.out != plain {
		t.Error("while the overlap runs --previous does not print the old key")
	}

	p.terminal = true
	if r := p.run("reveal", "web"); r.code != cli.ExitUsage || r.out != "" || !strings.Contains(r.err, "--show") {
		t.Errorf("at a terminal without --show: %+v", r)
	}
	if r := p.run("reveal", "web", "--show", "--previous"); r.out != plain+"\n" {
		t.Error("at a terminal --show does not print the key on a line")
	}
	if r := p.run("reveal", "absent"); r.code != cli.ExitUsage {
		t.Errorf("the terminal is checked first: %+v", r)
	}
	p.terminal = false
	if r := p.run("reveal", "absent"); r.code != cli.ExitNotFound || !strings.Contains(r.err, `"absent" not found`) {
		t.Errorf("an APIKey that is not there: %+v", r)
	}
}

// TestRevealForeignSecret reads no Secret that is not the key's own.
func TestRevealForeignSecret(t *testing.T) {
	p := newAdministrator(t, "foreign")
	const planted = "not-a-key"
	if err := p.cluster.admin.Create(t.Context(), &corev1.Secret{
		ObjectMeta: objectMeta(p.namespace, "web"), StringData: map[string]string{"api-key": planted},
	}); err != nil {
		t.Fatal(err)
	}
	r := p.run("create", "web", "--environment", "Development")
	if r.code != cli.ExitFailed || !strings.Contains(r.err, "SecretConflict") {
		t.Errorf("create beside a foreign Secret: %+v", r)
	}
	if r := p.run(
		"reveal",
		"web",
	); r.code != cli.ExitFailed || r.out != "" || strings.Contains(r.err, planted) ||
		!strings.Contains(r.err, "is not that of apikey") {
		t.Errorf("reveal: %+v", r)
	}
}
