// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package backup_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/backup"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

const operatorUser = "system:serviceaccount:apikey-operator-system:apikey-operator-controller-manager"

// site is a control plane with config/default, where no operator runs.
type site struct {
	*testkit.ControlPlane

	t     *testing.T
	admin client.WithWatch
}

func newSite(t *testing.T) *site {
	t.Helper()
	plane := testkit.StartFor(t, testkit.Options{WithoutCRDs: true})
	plane.InstallFor(t, "config/default", "")
	admin, err := operations.Connect(plane.Config)
	if err != nil {
		t.Fatal(err)
	}

	return &site{ControlPlane: plane, t: t, admin: admin}
}

// target returns a target to which writes are sent through a gate.
func (s *site) target(g *writes) backup.Target {
	s.t.Helper()
	as := rest.CopyConfig(s.Config)
	as.Impersonate.UserName = operatorUser
	operator, err := operations.Connect(as)
	if err != nil {
		s.t.Fatal(err)
	}

	return backup.Target{User: g.through(s.admin), Operator: g.through(operator), Clock: clock.RealClock{}}
}

// restore restores a backup and returns the outcomes by name.
func (s *site) restore(g *writes, archive *backup.Archive) (map[string]backup.Outcome, error) {
	s.t.Helper()
	outcomes := map[string]backup.Outcome{}
	err := s.target(g).Restore(s.t.Context(), archive, "", func(o backup.Outcome) { outcomes[o.Name.Name] = o })

	return outcomes, err
}

// clear deletes all APIKeys and their Secrets.
func (s *site) clear() {
	s.t.Helper()
	if err := errors.Join(
		s.admin.DeleteAllOf(s.t.Context(), &v1alpha1.APIKey{}, client.InNamespace("default")),
		s.admin.DeleteAllOf(s.t.Context(), &corev1.Secret{}, client.InNamespace("default"), client.MatchingFields{"type": v1alpha1.SecretType}),
	); err != nil {
		s.t.Fatal(err)
	}
}

// expect compares the cluster with the entries.
func (s *site) expect(entries ...*backup.Entry) {
	s.t.Helper()
	var apikeys v1alpha1.APIKeyList
	var secrets corev1.SecretList
	if err := errors.Join(
		s.admin.List(s.t.Context(), &apikeys, client.InNamespace("default")),
		s.admin.List(s.t.Context(), &secrets, client.InNamespace("default"), client.MatchingFields{"type": v1alpha1.SecretType}),
	); err != nil {
		s.t.Fatal(err)
	}
	live := map[string]*v1alpha1.APIKey{}
	for i := range apikeys.Items {
		live[apikeys.Items[i].Name] = &apikeys.Items[i]
	}
	held := map[string]*corev1.Secret{}
	for i := range secrets.Items {
		held[secrets.Items[i].Name] = &secrets.Items[i]
	}
	for _, e := range entries {
		s.expectOne(e, live[e.APIKey.Name], held[e.APIKey.Name])
		delete(live, e.APIKey.Name)
		delete(held, e.APIKey.Name)
	}
	if len(live)+len(held) > 0 {
		s.t.Errorf("there are %d APIKeys and %d Secrets that nothing restored", len(live), len(held))
	}
}

func (s *site) expectOne(e *backup.Entry, live *v1alpha1.APIKey, secret *corev1.Secret) {
	s.t.Helper()
	if live == nil {
		s.t.Errorf("%s is missing", e.APIKey.Name)

		return
	}
	want := e.APIKey.Status.DeepCopy()
	ignored := cmpopts.IgnoreFields(v1alpha1.APIKeyStatus{}, "SecretRef", "ObservedGeneration", "Conditions")
	if diff := cmp.Diff(want, &live.Status, ignored, cmpopts.EquateEmpty()); diff != "" && e.APIKey.Status.LastRotation != nil {
		s.t.Errorf("the status of %s (-want +got):\n%s", e.APIKey.Name, diff)
	}
	if live.Status.LastRotation != nil && live.Status.ObservedGeneration != live.Generation {
		s.t.Errorf("%s has generation %d, and the status is about %d", e.APIKey.Name, live.Generation, live.Status.ObservedGeneration)
	}
	switch {
	case e.Secret == nil && secret == nil:
	case e.Secret == nil || secret == nil:
		s.t.Errorf("%s: Secret in the backup: %t, in the cluster: %t", e.APIKey.Name, e.Secret != nil, secret != nil)
	case !metav1.IsControlledBy(secret, live) || live.Status.SecretRef.UID != secret.UID || live.Status.SecretRef.ResourceVersion != secret.ResourceVersion:
		s.t.Errorf("%s: status and Secret do not name each other", e.APIKey.Name)
	case !cmp.Equal(e.Secret.Data, secret.Data) || !cmp.Equal(e.Secret.Annotations, secret.Annotations) || !cmp.Equal(e.Secret.Labels, secret.Labels):
		s.t.Errorf("the Secret of %s differs", e.APIKey.Name)
	}
}

var errKilled = errors.New("killed")

// writes lets a number of writes through, and then none, as if the program were killed.
type writes struct {
	mu sync.Mutex
	// left is how many writes are carried out; negative: all.
	left int
	// lost makes the last one be carried out without an answer.
	lost bool
	dead bool
}

func unlimited() *writes { return &writes{left: -1} }

// carry carries out a write, or does not.
func (w *writes) carry(write func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return errKilled
	}
	if w.left < 0 {
		return write()
	}
	if w.left == 0 {
		w.dead = true
		if w.lost {
			_ = write() // the program does not learn of the answer
		}

		return errKilled
	}
	w.left--

	return write()
}

// through returns a client whose writes go through the gate.
func (w *writes) through(c client.WithWatch) client.WithWatch {
	return interceptor.NewClient(c, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			return w.carry(func() error { return c.Create(ctx, object, options...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.UpdateOption) error {
			return w.carry(func() error { return c.Update(ctx, object, options...) })
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, object client.Object, options ...client.SubResourceUpdateOption) error {
			return w.carry(func() error { return c.SubResource(sub).Update(ctx, object, options...) })
		},
	})
}

// TestRestore restores into a cluster with the guardrails in force, is killed at each write, and refuses what is not that of the backup.
func TestRestore(t *testing.T) {
	s := newSite(t)
	t.Run("killed at each write", s.killed)
	t.Run("after GitOps", s.afterGitOps)
	t.Run("tampered", s.tampered)
	t.Run("beside others", s.besideOthers)
	t.Run("dry run", s.dryRun)
	t.Run("a backup during a rotation", s.rotatesMeanwhile)
	t.Run("the Lease", s.holdsLease)
}

func all(t *testing.T) []*backup.Entry {
	t.Helper()

	return []*backup.Entry{
		activeEntry(t, "active"), overlapping(t, "overlap"), claimedEntry(t, "claimed"), endedEntry(t, "ended"), pendingEntry(t, "pending"),
		validForEntry(t, "valid-for"),
	}
}

func (s *site) killed(t *testing.T) {
	s.t = t
	entries := all(t)
	archive := read(t, written(t, entries...))
	for _, lost := range []bool{false, true} {
		for left, died := 0, true; died; left++ {
			if left > 50 {
				t.Fatal("a restore needs too many writes")
			}
			s.clear()
			gate := &writes{left: left, lost: lost}
			_, err := s.restore(gate, archive)
			if died = gate.dead; died != errors.Is(err, errKilled) {
				t.Fatalf("after %d writes: %v", left, err)
			}
			outcomes, err := s.restore(unlimited(), archive)
			for name, outcome := range outcomes {
				err = errors.Join(err, outcome.Err)
				if outcome.Err != nil {
					t.Logf("%s: %v", name, outcome.Err)
				}
			}
			if err != nil {
				t.Fatalf("after %d writes (answer lost: %t): %v", left, lost, err)
			}
			s.expect(entries...)
		}
	}
	s.clear()
}

// afterGitOps gives keys to APIKeys that another client has created from the same manifests, and none to others.
func (s *site) afterGitOps(t *testing.T) {
	s.t = t
	entries := []*backup.Entry{activeEntry(t, "active"), validForEntry(t, "valid-for"), claimedEntry(t, "claimed")}
	narrower, broader, running := activeEntry(t, "narrower"), activeEntry(t, "broader"), activeEntry(t, "running")
	archive := read(t, written(t, append(entries, narrower, broader, running)...))
	apply := func(e *backup.Entry, change func(*v1alpha1.APIKeySpec)) *v1alpha1.APIKey {
		apikey := operations.New(e.Name(), *e.APIKey.Spec.DeepCopy())
		change(&apikey.Spec)
		if err := s.admin.Create(t.Context(), apikey); err != nil {
			t.Fatal(err)
		}

		return apikey
	}
	for _, e := range entries {
		apply(e, func(*v1alpha1.APIKeySpec) {})
	}
	apply(narrower, func(spec *v1alpha1.APIKeySpec) { spec.Permissions = nil })
	apply(broader, func(spec *v1alpha1.APIKeySpec) { spec.Permissions = append(spec.Permissions, "orders:read") })
	alive := apply(running, func(*v1alpha1.APIKeySpec) {})
	alive.Status = *activeEntry(t, "running").APIKey.Status.DeepCopy()
	if err := s.target(unlimited()).Operator.Status().Update(t.Context(), alive); err != nil {
		t.Fatal(err)
	}
	outcomes, err := s.restore(unlimited(), archive)
	if err != nil {
		t.Fatal(err)
	}
	for name, says := range map[string]string{"narrower": "another spec", "broader": "another spec", "running": "a key of its own"} {
		if outcome := outcomes[name]; outcome.Err == nil || !strings.Contains(outcome.Err.Error(), says) {
			t.Errorf("%s: %+v", name, outcome)
		}
	}
	for _, e := range []*backup.Entry{narrower, broader, running} {
		if err := s.admin.Delete(t.Context(), operations.New(e.Name(), v1alpha1.APIKeySpec{})); err != nil {
			t.Fatal(err)
		}
	}
	s.expect(entries...)
	if notes := fmt.Sprint(outcomes["valid-for"].Notes); !strings.Contains(notes, "instead of validFor: 8760h") {
		t.Errorf("the user is told: %s", notes)
	}
	s.clear()
}

// tampered restores only what was not tampered with.
func (s *site) tampered(t *testing.T) {
	s.t = t
	good := activeEntry(t, "good")
	entries := []*backup.Entry{good}
	for _, change := range tampering(t) {
		e := clone(t, overlapping(t, fmt.Sprintf("tampered-%d", len(entries))))
		change(e)
		entries = append(entries, e)
	}
	twin := activeEntry(t, "twin")
	copied := clone(t, twin)
	copied.APIKey.Name = "copied"
	archive := read(t, written(t, append(entries, twin, copied)...))
	restored := 0
	if err := s.target(unlimited()).Restore(t.Context(), archive, "", func(o backup.Outcome) {
		if o.Err == nil {
			restored++
		}
	}); err != nil {
		t.Fatal(err)
	}
	if restored != 1 {
		t.Errorf("%d were restored, want 1", restored)
	}
	s.expect(good)
	s.clear()
}

// besideOthers: a Secret in the way, a digest that the cluster knows, and a namespace that is missing concern one APIKey each.
func (s *site) besideOthers(t *testing.T) {
	s.t = t
	first, known := activeEntry(t, "first"), activeEntry(t, "known")
	inTheWay, elsewhere, good := activeEntry(t, "in-the-way"), activeEntry(t, "elsewhere"), activeEntry(t, "good")
	elsewhere.APIKey.Namespace = "missing"
	if _, err := s.restore(unlimited(), read(t, written(t, first))); err != nil {
		t.Fatal(err)
	}
	known.APIKey.Status, known.Secret = *first.APIKey.Status.DeepCopy(), clone(t, first).Secret
	stranger := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "in-the-way"}}
	if err := s.admin.Create(t.Context(), stranger); err != nil {
		t.Fatal(err)
	}
	outcomes, err := s.restore(unlimited(), read(t, written(t, known, inTheWay, elsewhere, good)))
	if err != nil {
		t.Fatal(err)
	}
	for name, says := range map[string]string{
		"known": "apikey default/first has the same key", "in-the-way": "delete or rename it", "elsewhere": "create the namespace first",
	} {
		if outcome := outcomes[name]; outcome.Err == nil || !strings.Contains(outcome.Err.Error(), says) {
			t.Errorf("%s: %+v", name, outcome)
		}
	}
	if outcomes["good"].Err != nil {
		t.Errorf("good: %v", outcomes["good"].Err)
	}
	if err := s.admin.Delete(t.Context(), stranger); err != nil {
		t.Fatal(err)
	}
	if outcomes, err = s.restore(unlimited(), read(t, written(t, inTheWay))); err != nil || outcomes["in-the-way"].Err != nil {
		t.Errorf("after the Secret is gone: %v, %+v", err, outcomes)
	}
	s.expect(first, inTheWay, good)
	s.clear()
}

// dryRun stores nothing, and finds what the API server refuses.
func (s *site) dryRun(t *testing.T) {
	s.t = t
	elsewhere := activeEntry(t, "elsewhere")
	elsewhere.APIKey.Namespace = "missing"
	target := s.target(unlimited())
	target.DryRun = true
	var failed []string
	if err := target.Restore(t.Context(), read(t, written(t, append(all(t), elsewhere)...)), "", func(o backup.Outcome) {
		if o.Err != nil {
			failed = append(failed, o.Name.String())
		}
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"missing/elsewhere"}, failed); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
	s.expect()
	err := s.admin.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "active"}, &v1alpha1.APIKey{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("a dry run has created an APIKey: %v", err)
	}
}
