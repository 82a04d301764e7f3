// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli"
	"github.com/apikey-operator/apikey-operator/internal/cli/backup"
	"github.com/apikey-operator/apikey-operator/internal/controller"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// TestMove moves keys in every phase from one cluster into an empty one. Each is answered there as before, before and after the operator
// starts, and the operator changes nothing.
func TestMove(t *testing.T) {
	from, _ := newCluster(t)
	operator := from.runOperator(t)
	before := newCollection(t, from)
	before.fill()
	stopOperator(t, operator)
	file := filepath.Join(t.TempDir(), "all.jsonl")
	before.must("backup", "-A", "--cluster-scoped", "-f", file)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup has the mode %v, %v", info.Mode(), err)
	}
	before.awaitEnd()
	want := before.answers(from.runVerifier(t))
	before.checkAnswers(want)

	to, audit := newCluster(t)
	after := newCollection(t, to)
	r := after.run("restore", "-A", "--cluster-scoped", "-f", file)
	after.searchForKeys(before, r)
	if r.code != cli.ExitDone {
		t.Fatalf("exit code %d\n%s%s", r.code, r.out, r.err)
	}
	gate := to.runVerifier(t)
	gate.expect(t, want, before.plain)
	if diff := cmp.Diff(before.secrets(), after.secrets()); diff != "" {
		t.Error("the Secrets differ") // not which key
	}
	restored := after.versions()
	if again := after.run("restore", "-A", "--cluster-scoped", "-f", file); again.code != cli.ExitDone || strings.Contains(again.out, "restored") {
		t.Errorf("a second run: %d\n%s%s", again.code, again.out, again.err)
	}
	if diff := cmp.Diff(restored, after.versions()); diff != "" {
		t.Errorf("a second run has changed objects:\n%s", diff)
	}

	to.runOperator(t)
	after.awaitExamined(audit)
	if diff := cmp.Diff(restored, after.versions()); diff != "" {
		t.Errorf("the operator has changed objects:\n%s", diff)
	}
	gate.expect(t, want, before.plain)
	if r := after.run("restore", "-A", "-f", file); r.code != cli.ExitFailed || !strings.Contains(r.err, "--replicas=0") {
		t.Errorf("a restore beside a live operator: %d, %s", r.code, r.err)
	}
}

// TestLeaseName: the restore holds the Lease for which the operator's replicas compete.
func TestLeaseName(t *testing.T) {
	if want := controller.Name + "." + v1alpha1.GroupName; backup.LeaseName != want {
		t.Errorf("the Lease is called %s, want %s", backup.LeaseName, want)
	}
}

// collection are APIKeys in every phase, in the namespaces move and other.
type collection struct {
	*person

	// plain are keys by a name, and ends is when the last of them ends.
	plain map[string]string
	ends  time.Time
}

func newCollection(t *testing.T, c *cluster) *collection {
	t.Helper()
	kubeconfig, err := c.Kubeconfig("mover", "system:masters")
	if err != nil {
		t.Fatal(err)
	}
	p := &collection{person: &person{t: t, cluster: c, namespace: "move", kubeconfig: kubeconfig}, plain: map[string]string{}}
	for _, name := range []string{"move", "other"} {
		if err := c.admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			t.Fatal(err)
		}
	}

	return p
}

// make creates an APIKey, waits for its key, and keeps it.
func (p *collection) make(name string, change func(*v1alpha1.APIKey)) {
	p.t.Helper()
	apikey := &v1alpha1.APIKey{
		ObjectMeta: objectMeta(p.namespace, name),
		Spec:       v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentProduction, Permissions: []v1alpha1.Permission{"customers:read"}},
	}
	if change != nil {
		change(apikey)
	}
	if err := p.cluster.admin.Create(p.t.Context(), apikey); err != nil {
		p.t.Fatal(err)
	}
	p.keep(name, name)
}

// keep waits until an APIKey has an active key in its Secret that is not kept yet, and keeps it under a name.
func (p *collection) keep(apikeyName, as string) {
	p.t.Helper()
	p.eventually(as+" has a key", func(ctx context.Context) bool {
		var apikey v1alpha1.APIKey
		var secret corev1.Secret
		if p.cluster.admin.Get(ctx, client.ObjectKey{Namespace: p.namespace, Name: apikeyName}, &apikey) != nil || apikey.Status.SecretRef == nil ||
			p.cluster.admin.Get(ctx, client.ObjectKey{Namespace: p.namespace, Name: apikey.SecretName()}, &secret) != nil ||
			apikey.Status.SecretRef.ResourceVersion != secret.ResourceVersion {
			return false
		}
		value := string(secret.Data[apikey.SecretDataKey()])
		for _, kept := range p.plain {
			if kept == value {
				return false
			}
		}
		p.plain[as] = value

		return true
	})
}

func (p *collection) change(name string, change func(*v1alpha1.APIKey)) {
	p.t.Helper()
	p.eventually(name+" is changed", func(ctx context.Context) bool {
		var apikey v1alpha1.APIKey
		if p.cluster.admin.Get(ctx, client.ObjectKey{Namespace: p.namespace, Name: name}, &apikey) != nil {
			return false
		}
		change(&apikey)

		return p.cluster.admin.Update(ctx, &apikey) == nil
	})
}

// rotate rotates with an overlap.
func (p *collection) rotate(name, value, as string) {
	p.t.Helper()
	p.change(name, func(k *v1alpha1.APIKey) {
		metav1.SetMetaDataAnnotation(&k.ObjectMeta, v1alpha1.RotateAnnotation, value+",overlap=24h")
	})
	p.keep(name, as)
	p.awaitPhase(name, v1alpha1.PhaseActive)
}

// claim claims a key with delivery Once.
func (p *collection) claim(name string) {
	p.t.Helper()
	p.change(name, func(k *v1alpha1.APIKey) {
		for _, record := range k.Status.Keys {
			if record.State == v1alpha1.KeyActive {
				metav1.SetMetaDataAnnotation(&k.ObjectMeta, v1alpha1.ClaimAnnotation, record.ID)
			}
		}
	})
	p.eventually(name+" is claimed", func(ctx context.Context) bool {
		return p.reports(ctx, name, func(s v1alpha1.APIKeyStatus) bool { return s.ClaimedAt != nil && s.SecretRef == nil })
	})
}

func once(k *v1alpha1.APIKey) {
	k.Spec.Secret = &v1alpha1.SecretTemplate{Delivery: v1alpha1.DeliveryOnce, ClaimBefore: "720h"}
}

// fill makes APIKeys in every phase.
func (p *collection) fill() {
	p.t.Helper()
	for _, object := range []client.Object{
		&v1alpha1.APIKeyRole{ObjectMeta: metav1.ObjectMeta{Name: "reader"}, Spec: v1alpha1.APIKeyRoleSpec{
			Permissions: []v1alpha1.Permission{"customers:read"},
		}},
		&v1alpha1.APIKeyPolicy{ObjectMeta: metav1.ObjectMeta{Name: "move"}, Spec: v1alpha1.APIKeyPolicySpec{
			NamespaceSelector: &v1alpha1.NamespaceSelector{MatchLabels: map[string]v1alpha1.LabelValue{"kubernetes.io/metadata.name": "move"}},
			Expiry:            &v1alpha1.ExpiryPolicy{Default: "8760h", Maximum: "17520h"},
		}},
	} {
		if err := p.cluster.admin.Create(p.t.Context(), object); err != nil {
			p.t.Fatal(err)
		}
	}
	p.make("active", func(k *v1alpha1.APIKey) { k.Labels = map[string]string{"team": "storefront"} })
	p.make("bare", func(k *v1alpha1.APIKey) { k.Spec.Permissions = nil })
	p.make("by-role", func(k *v1alpha1.APIKey) { k.Spec.Permissions, k.Spec.Roles = nil, []v1alpha1.RoleName{"reader"} })
	p.make("valid-for", func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "8000h" })
	p.make("named", func(k *v1alpha1.APIKey) {
		k.Spec.Secret = &v1alpha1.SecretTemplate{
			Name: "shop", Key: "token", Labels: map[string]v1alpha1.LabelValue{"a": "b"}, Annotations: map[string]v1alpha1.AnnotationValue{"c": "d"},
		}
	})
	p.make("thrice", nil)
	p.rotate("thrice", "one", "thrice-2")
	p.rotate("thrice", "two", "thrice-3")
	p.make("suspended", nil)
	p.change("suspended", func(k *v1alpha1.APIKey) { k.Spec.Suspend = true })
	p.awaitPhase("suspended", v1alpha1.PhaseSuspended)
	p.make("revoked", nil)
	p.change("revoked", func(k *v1alpha1.APIKey) { k.Spec.Revoked = true })
	p.awaitPhase("revoked", v1alpha1.PhaseRevoked)
	p.make("unclaimed", once)
	p.make("claimed", once)
	p.claim("claimed")
	p.make("claimed-again", once)
	p.claim("claimed-again")
	p.rotate("claimed-again", "one", "claimed-again-2")
	p.claim("claimed-again")
	p.namespace = "other"
	p.make("free", nil)
	p.namespace = "move"
	p.make("expired", func(k *v1alpha1.APIKey) { k.Spec.ExpiresAt = &metav1.Time{Time: time.Now().Add(15 * time.Second)} })
	p.awaitPhase("expired", v1alpha1.PhaseExpired)
	p.ends = time.Now().Add(30 * time.Second)
	p.make("ending", func(k *v1alpha1.APIKey) { k.Spec.ExpiresAt = &metav1.Time{Time: p.ends} })
}

// awaitEnd waits until the last key has ended.
func (p *collection) awaitEnd() {
	timer := time.NewTimer(time.Until(p.ends.Add(time.Second)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.t.Context().Done():
	}
}

// answers returns what a verifier answers about each key.
func (p *collection) answers(g *gate) map[string]string {
	p.t.Helper()
	answers := map[string]string{}
	for name, key := range p.plain {
		var err error
		if answers[name], err = g.answer(p.t.Context(), key); err != nil {
			p.t.Fatal(err)
		}
	}

	return answers
}

// checkAnswers checks that the phases are those that the test is about.
func (p *collection) checkAnswers(got map[string]string) {
	p.t.Helper()
	want := map[string]string{
		"bare": "403 permission_denied", "suspended": "401 suspended", "revoked": "401 revoked", "expired": "401 expired", "ending": "401 expired",
	}
	for name := range p.plain {
		if want[name] == "" {
			want[name] = "200 "
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		p.t.Fatalf("answers of the first cluster (-want +got):\n%s", diff)
	}
}

// searchForKeys fails if a message holds a key.
func (p *collection) searchForKeys(of *collection, r result) {
	p.t.Helper()
	for name, key := range of.plain {
		if strings.Contains(r.out+r.err, key[8:30]) {
			p.t.Errorf("the key of %s is printed", name)
		}
	}
}

// secretText is what has to be the same in a Secret.
type secretText struct {
	Labels, Annotations map[string]string
	Data                map[string]string
}

// secrets returns the Secrets of the APIKeys that have not ended, by namespace and name.
func (p *collection) secrets() map[string]secretText {
	p.t.Helper()
	var list corev1.SecretList
	if err := p.cluster.admin.List(p.t.Context(), &list); err != nil {
		p.t.Fatal(err)
	}
	texts := map[string]secretText{}
	for i := range list.Items {
		s := &list.Items[i]
		if s.Type != v1alpha1.SecretType || s.Name == "ending" {
			continue
		}
		text := secretText{Labels: s.Labels, Annotations: s.Annotations, Data: map[string]string{}}
		for name, value := range s.Data {
			text.Data[name] = string(value)
		}
		texts[s.Namespace+"/"+s.Name] = text
	}

	return texts
}

// versions returns the versions of APIKeys and their Secrets.
func (p *collection) versions() map[string]string {
	p.t.Helper()
	versions := map[string]string{}
	var apikeys v1alpha1.APIKeyList
	var secrets corev1.SecretList
	for _, list := range []client.ObjectList{&apikeys, &secrets} {
		if err := p.cluster.admin.List(p.t.Context(), list); err != nil {
			p.t.Fatal(err)
		}
	}
	for i := range apikeys.Items {
		k := apikeys.Items[i]
		k.Status.LastUsedAt = nil // the verifier writes it
		versions["apikey "+k.Namespace+"/"+k.Name] = cmp.Diff(v1alpha1.APIKeyStatus{}, k.Status)
	}
	for i := range secrets.Items {
		if s := &secrets.Items[i]; s.Type == v1alpha1.SecretType {
			versions["secret "+s.Namespace+"/"+s.Name] = string(s.UID) + " " + s.ResourceVersion
		}
	}

	return versions
}

// awaitExamined waits until the operator has read the Secret of every APIKey that may have one, which it does once after its start.
func (p *collection) awaitExamined(audit *testkit.Audit) {
	p.t.Helper()
	missing := []string{"active", "bare", "by-role", "valid-for", "shop", "thrice", "suspended", "unclaimed", "claimed", "claimed-again", "free"}
	p.eventually("the operator has examined all Secrets", func(context.Context) bool {
		requests, err := audit.Requests(operatorUser)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, r := range requests {
			if r.Verb == "get" && r.Resource == "secrets" {
				missing = slices.DeleteFunc(missing, func(name string) bool { return name == r.Name })
			}
			if r.Verb != "get" && (r.Resource == "secrets" || r.Resource == "apikeys") && r.Verb != "list" && r.Verb != "watch" {
				p.t.Fatalf("the operator has written: %s", r)
			}
		}

		return len(missing) == 0
	})
}
