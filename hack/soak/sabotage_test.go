// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/hack/soak/oracle"
	"github.com/apikey-operator/apikey-operator/hack/soak/schedule"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// The schedule of the test: two keys, one of which is replaced at once. From knownAt on verifiers have to know that, also on a busy machine.
const (
	knownAt   = 35 * time.Second
	sabotaged = 30 * time.Second // how long the operators stand still
)

// liar answers for a verifier: what it was told to, or what the verifier says.
type liar struct {
	code     atomic.Int32 // 0: the truth
	verifier http.Handler
}

func (l *liar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if code := l.code.Load(); code != 0 {
		w.WriteHeader(int(code))

		return
	}
	l.verifier.ServeHTTP(w, r)
}

// lieFor puts a liar before a verifier.
func lieFor(t *testing.T, a *asker) *liar {
	t.Helper()
	target, err := url.Parse(a.url)
	if err != nil {
		t.Fatal(err)
	}
	l := &liar{verifier: httputil.NewSingleHostReverseProxy(&url.URL{Scheme: target.Scheme, Host: target.Host})}
	server := httptest.NewServer(l)
	t.Cleanup(server.Close)
	a.url = server.URL + target.RequestURI()

	return l
}

// revive makes a replaced key valid again, as an attacker with the account of the operator would.
func (s *soak) revive(ctx context.Context, name string, digest keys.Digest) error {
	apikey := &v1alpha1.APIKey{}
	if err := s.cluster.admin.Get(ctx, client.ObjectKey{Namespace: soakNamespace, Name: name}, apikey); err != nil {
		return err
	}
	apikey.Status.Keys = append(apikey.Status.Keys, v1alpha1.KeyRecord{
		ID: digest.ID(), Digest: digest.String(), State: v1alpha1.KeyRetiring, CreatedAt: metav1.Now(), NotAfter: &metav1.Time{Time: time.Now().Add(time.Hour)},
	})

	return s.cluster.operator.Status().Update(ctx, apikey)
}

// eventually waits until something is found.
func eventually(t *testing.T, s *soak, what string, found func(oracle.Violation) bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); pause(t.Context(), 50*time.Millisecond) {
		if slices.ContainsFunc(s.oracle.Violations(), found) {
			return
		}
	}
	t.Errorf("%s was not found; found were %v", what, s.oracle.Violations())
}

// TestSoakFindsSabotage runs a soak without faults beside the operators standing still, and does what nothing may do: a status revives
// a replaced key, a verifier says yes and then no to every key, and a log has a key.
func TestSoakFindsSabotage(t *testing.T) {
	if testing.Short() {
		t.Skip("takes two minutes")
	}
	ctrllog.SetLogger(logr.Discard())
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}
	testkit.Build(t, "bin/manager", "./cmd")
	testkit.Build(t, "bin/verifier", "./cmd/verifier")
	var progress, output bytes.Buffer
	s, err := newSoak(t.Context(), nil, options{
		Options:  schedule.Options{Seed: 1, Duration: knownAt + sabotaged, Keys: 2},
		operator: filepath.Join(root, "bin", "manager"), verifier: filepath.Join(root, "bin", "verifier"),
	}, &progress)
	if err != nil {
		t.Fatal(err)
	}
	s.schedule = schedule.Schedule{
		Operations: []schedule.Operation{
			{Slot: 0, Kind: schedule.Create}, {Slot: 1, Kind: schedule.Create},
			{Slot: 0, Number: 1, Kind: schedule.Rotate, At: 5 * time.Second}, // with overlap=0s
		},
		Faults: []schedule.Fault{
			{At: knownAt, Target: schedule.Operator1, Kind: schedule.Stop, For: sabotaged},
			{At: knownAt, Target: schedule.Operator2, Kind: schedule.Stop, For: sabotaged},
		},
	}
	l := lieFor(t, s.askers[schedule.Verifier2])
	ended := make(chan error, 1)
	go func() { ended <- s.run(t.Context()) }()
	s.sabotage(t, l)
	if err := <-ended; err != nil {
		t.Errorf("%v\n%s", err, progress.String())
	}
	if code := s.print(&output); code != exitFailed {
		t.Errorf("exit code %d:\n%s", code, output.String())
	}
	s.expectEnd(t)
	if said := progress.String() + output.String(); keyShape().MatchString(said) {
		t.Errorf("it printed a key")
	}
	for _, v := range s.oracle.Violations() {
		switch v.Rule {
		case oracle.DeadAccepted, oracle.Revived, oracle.LiveRefused, oracle.Printed:
		default:
			t.Errorf("unexpected: %s: %s", v.Rule, v.Detail)
		}
	}
}

// sabotage does what nothing may do, one thing after another.
func (s *soak) sabotage(t *testing.T, l *liar) {
	t.Helper()
	for !pauseUntil(t, func() bool { return s.tally.ofStops() == 2 }) {
		t.Fatal("the operators do not stand still")
	}
	if found := s.oracle.Violations(); len(found) > 0 {
		t.Errorf("before any sabotage: %v", found)
	}
	replaced, ok := keys.ParseDigest(s.firstKeyOf("key-000"))
	if !ok {
		t.Fatal("the first APIKey has no key")
	}
	if err := s.revive(t.Context(), "key-000", replaced); err != nil {
		t.Fatal(err)
	}
	eventually(t, s, "a replaced key that a status revives", func(v oracle.Violation) bool {
		return v.Rule == oracle.DeadAccepted && strings.Contains(v.Detail, "verifier-1 accepts key-000/"+replaced.ID())
	})
	eventually(t, s, "a status that revives a replaced key", func(v oracle.Violation) bool {
		return v.Rule == oracle.Revived && strings.Contains(v.Detail, "key-000/"+replaced.ID())
	})
	l.code.Store(http.StatusUnauthorized)
	eventually(t, s, "a verifier that says no", func(v oracle.Violation) bool {
		return v.Rule == oracle.LiveRefused && strings.Contains(v.Detail, "verifier-2 refuses key-001/")
	})
	l.code.Store(http.StatusOK)
	eventually(t, s, "a verifier that says yes", func(v oracle.Violation) bool {
		return v.Rule == oracle.DeadAccepted && strings.Contains(v.Detail, "verifier-2 accepts key-000/"+replaced.ID())
	})
	l.code.Store(0)
	log := filepath.Join(s.cluster.plane.Folder(), "operator-1.99.log")
	if err := os.WriteFile(log, []byte(fmt.Sprintf("minted %q\n", s.vault.text(replaced.String()))), 0o600); err != nil {
		t.Fatal(err)
	}
}

// expectEnd stops the soak and checks that no process and no file is left, and that the key in the log was found.
func (s *soak) expectEnd(t *testing.T) {
	t.Helper()
	eventually(t, s, "a key in a log", func(v oracle.Violation) bool { return v.Rule == oracle.Printed })
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	for target, r := range s.replicas {
		if r.isReady() {
			t.Errorf("%s is still running", target)
		}
	}
	if _, err := os.Stat(s.cluster.plane.Folder()); !os.IsNotExist(err) {
		t.Errorf("files are left: %v", err)
	}
}

// pauseUntil waits for a condition.
func pauseUntil(t *testing.T, condition func() bool) bool {
	t.Helper()
	for deadline := time.Now().Add(2*time.Minute + knownAt); time.Now().Before(deadline); pause(t.Context(), 50*time.Millisecond) {
		if condition() {
			return true
		}
	}

	return false
}

// ofStops counts the faults that have begun.
func (t *tally) ofStops() int {
	t.mu.Lock()
	defer t.mu.Unlock()

	return t.ofKind(schedule.Stop)
}

// firstKeyOf returns the digest of the first key of an APIKey.
func (s *soak) firstKeyOf(name string) string {
	s.observer.mu.Lock()
	defer s.observer.mu.Unlock()
	for _, versions := range s.observer.secrets {
		if versions[0].Name == name {
			return keys.DigestOf(string(versions[0].Data[v1alpha1.SecretKeyDefault])).String()
		}
	}

	return ""
}
