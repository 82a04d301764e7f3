// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// attackers is the variable that says how many large objects of each kind TestMemoryUnderLargeMetadata makes, where the default, which
// is chosen for its time, is not meant: 1900 is the attack that once killed the operator.
const attackers = "TEST_LARGE_OBJECTS"

// mebibyte is the unit of what this test reports.
const mebibyte = 1 << 20

// TestMemoryUnderLargeMetadata fills the metadata of APIKeys and of copies of Secrets, as an editor without any grant could while there
// were no guardrails, and compares what the operator needs with what it needs beside as many small ones. It lists them at its start,
// follows changes of all, and mints.
func TestMemoryUnderLargeMetadata(t *testing.T) {
	if _, err := os.ReadFile("/proc/self/status"); err != nil {
		t.Skip("needs /proc: ", err)
	}
	n := 400
	if text := os.Getenv(attackers); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	small, large := peakWith(t, n, 0), peakWith(t, n, 250<<10)
	t.Logf("%d APIKeys and %d copies: peak of %d MiB with small metadata, %d MiB with 250 KiB in each", n, n, small/mebibyte, large/mebibyte)
	// What is decoded at once does not grow with n. That of one kind alone would be n times 250 KiB, and what the heap grows between two
	// collections.
	if most := small + n*(250<<10); large > most {
		t.Errorf("a peak of %d MiB, want at most %d", large/mebibyte, most/mebibyte)
	}
}

// peakWith is the largest resident memory of an operator beside n APIKeys and n copies of Secrets with so many bytes of annotations.
func peakWith(t *testing.T, n, bytes int) int {
	t.Helper()
	plane := testkit.StartFor(t, testkit.Options{})
	admin, err := plane.Client()
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := plane.Kubeconfig("operator", "system:masters")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", kubeconfig)
	attack := attack{t: t, admin: admin, note: map[string]string{"example.com/note": strings.Repeat("a", bytes)}}
	for i := range n {
		attack.create(i)
	}
	r := start(t, "--leader-elect=false", "--require-guardrails=false")
	r.eventually(t, "http://"+r.probes+"/readyz", "", http.StatusOK)
	attack.awaitActive(n)
	for i := range n { // each change is an event with the whole object
		attack.rename(i)
	}
	attack.awaitObserved(n)
	peak := r.peak(t)
	r.stop()

	return peak
}

// attack makes objects with large metadata.
type attack struct {
	t     *testing.T
	admin client.Client
	note  map[string]string
}

// create makes an APIKey, and a copy of a Secret that pretends to be the operator's.
func (a *attack) create(i int) {
	a.t.Helper()
	for _, object := range []client.Object{
		&v1alpha1.APIKey{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprintf("key-%d", i), Annotations: a.note},
			Spec:       v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentDevelopment},
		},
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: "default", Name: fmt.Sprintf("copy-%d", i), Annotations: a.note,
				Labels: map[string]string{v1alpha1.SecretManagedByLabel: v1alpha1.SecretManagedByValue},
			},
			Type: v1alpha1.SecretType,
		},
	} {
		if err := a.admin.Create(a.t.Context(), object); err != nil {
			a.t.Fatal(err)
		}
	}
}

// rename changes what the operator has to look at.
func (a *attack) rename(i int) {
	a.t.Helper()
	key := &v1alpha1.APIKey{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprintf("key-%d", i)}}
	if err := a.admin.Patch(a.t.Context(), key, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"displayName":"a"}}`))); err != nil {
		a.t.Fatal(err)
	}
}

func (a *attack) awaitActive(n int) {
	a.t.Helper()
	a.await(n, func(key *v1alpha1.APIKey) bool { return key.Status.Phase == v1alpha1.PhaseActive })
}

func (a *attack) awaitObserved(n int) {
	a.t.Helper()
	a.await(n, func(key *v1alpha1.APIKey) bool { return key.Status.ObservedGeneration == key.Generation })
}

// await waits until something holds of n APIKeys, one after the other.
func (a *attack) await(n int, holds func(*v1alpha1.APIKey) bool) {
	a.t.Helper()
	for i := range n {
		key := &v1alpha1.APIKey{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprintf("key-%d", i)}}
		if err := wait.PollUntilContextTimeout(a.t.Context(), 20*time.Millisecond, 5*time.Minute, true, func(ctx context.Context) (bool, error) {
			err := a.admin.Get(ctx, client.ObjectKeyFromObject(key), key)

			return holds(key), err
		}); err != nil {
			a.t.Fatalf("%v; status is %+v", err, key.Status)
		}
	}
}

var peakLine = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`)

// peak is the largest resident memory that a manager has had, in bytes.
func (r *replica) peak(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.pid))
	if err != nil {
		t.Fatal(err)
	}
	found := peakLine.FindSubmatch(status)
	if found == nil {
		t.Fatalf("no VmHWM in\n%s", status)
	}
	kibibytes, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}

	return kibibytes << 10
}
