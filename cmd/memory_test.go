// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

// Variables that make TestMemoryUnderLargeMetadata larger than its default, which is chosen for its time: how many objects of each kind
// there are, and how many bytes of annotations each APIKey has. 1900 is the attack that once killed the operator; the guardrails
// accept 65536 bytes. Copies of Secrets always have the most that the API server accepts.
const (
	attackers   = "TEST_LARGE_OBJECTS"
	attackBytes = "TEST_LARGE_BYTES"
)

const (
	mebibyte = 1 << 20
	// most is what the API server accepts of annotations, but for those of the operator.
	most = 250 << 10
	// podLimit is half of the memory limit of the operator's container in config/manager.
	podLimit = 512 * mebibyte
)

// number is the value of a variable; the default where it is not set.
func number(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}

	return n
}

// TestMemoryUnderLargeMetadata fills the metadata of APIKeys and of copies of Secrets, as an editor without any grant could while there
// were no guardrails, and compares what the operator needs with what it needed beside the same objects with small metadata. Each time it lists
// them at its start and rotates every key, so that it follows three changes of each APIKey.
func TestMemoryUnderLargeMetadata(t *testing.T) {
	if _, err := os.ReadFile("/proc/self/status"); err != nil {
		t.Skip("needs /proc: ", err)
	}
	a := newAttack(t, number(t, attackers, 400))
	a.create()
	small := a.peakWhileRotating("small")
	bytes := number(t, attackBytes, most)
	a.grow(bytes)
	large := a.peakWhileRotating("large")
	t.Logf(
		"%d APIKeys and %d copies: peak of %d MiB with small metadata, %d MiB with %d KiB in each APIKey and %d KiB in each copy; the limit of the pod "+
			"is %d MiB",
		a.n,
		a.n,
		small/mebibyte,
		large/mebibyte,
		bytes>>10,
		most>>10,
		podLimit/mebibyte,
	)
	if large > podLimit {
		t.Errorf("a peak of %d MiB, more than half of the limit of the pod", large/mebibyte)
	}
	// What is decoded at once does not grow with n. That of one kind alone would be n times its bytes, and what the heap grows between two
	// collections.
	if accepted := small + a.n*bytes; large > accepted {
		t.Errorf("a peak of %d MiB, want at most %d", large/mebibyte, accepted/mebibyte)
	}
}

// attack is n APIKeys, and n copies of a Secret that pretend to be the operator's.
type attack struct {
	t       *testing.T
	admin   client.Client
	manager string // the path of the operator
	n       int
}

func newAttack(t *testing.T, n int) *attack {
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
	t.Setenv("GOMEMLIMIT", strconv.Itoa(podLimit)) // the Deployment sets twice as much

	return &attack{t: t, admin: admin, manager: buildManager(t), n: n}
}

// buildManager builds the operator as the Dockerfile does, and returns its path.
func buildManager(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "manager")
	testkit.Build(t, path, "./cmd")

	return path
}

// each does something for every number below n, some at once.
func (a *attack) each(do func(ctx context.Context, i int) error) {
	a.t.Helper()
	group, ctx := errgroup.WithContext(a.t.Context())
	group.SetLimit(8)
	for i := range a.n {
		group.Go(func() error { return do(ctx, i) })
	}
	if err := group.Wait(); err != nil {
		a.t.Fatal(err)
	}
}

func (a *attack) apikey(i int) *v1alpha1.APIKey {
	return &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprintf("key-%d", i)},
		Spec:       v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentDevelopment},
	}
}

func (a *attack) copy(i int) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: fmt.Sprintf("copy-%d", i),
			Labels: map[string]string{v1alpha1.SecretManagedByLabel: v1alpha1.SecretManagedByValue},
		},
		Type: v1alpha1.SecretType,
	}
}

// create makes all objects, with small metadata.
func (a *attack) create() {
	a.t.Helper()
	a.each(func(ctx context.Context, i int) error {
		return errors.Join(a.admin.Create(ctx, a.apikey(i)), a.admin.Create(ctx, a.copy(i)))
	})
}

// grow gives each APIKey so many bytes of annotations, and each copy the most that there can be.
func (a *attack) grow(bytes int) {
	a.t.Helper()
	a.each(func(ctx context.Context, i int) error {
		return errors.Join(a.annotate(ctx, a.apikey(i), "example.com/note", strings.Repeat("a", bytes)),
			a.annotate(ctx, a.copy(i), "example.com/note", strings.Repeat("a", most)))
	})
}

func (a *attack) annotate(ctx context.Context, object client.Object, name, value string) error {
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, name, value)

	return a.admin.Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte(patch)))
}

// peakWhileRotating starts an operator, has it rotate every key, and returns its largest resident memory.
func (a *attack) peakWhileRotating(value string) int {
	a.t.Helper()
	r := startProgram(a.t, a.manager, "--leader-elect=false", "--require-guardrails=false")
	r.eventually(a.t, "http://"+r.probes+"/readyz", "", http.StatusOK)
	a.await(func(key *v1alpha1.APIKey) bool { return key.Status.Phase == v1alpha1.PhaseActive })
	a.each(func(ctx context.Context, i int) error {
		return a.annotate(ctx, a.apikey(i), v1alpha1.RotateAnnotation, value)
	})
	a.await(func(key *v1alpha1.APIKey) bool { return key.Status.LastRotation.Value == value })
	peak := r.peak(a.t)
	r.stop()

	return peak
}

// await waits until something holds of all APIKeys.
func (a *attack) await(holds func(*v1alpha1.APIKey) bool) {
	a.t.Helper()
	a.each(func(ctx context.Context, i int) error {
		key := a.apikey(i)
		err := wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, 10*time.Minute, true, func(ctx context.Context) (bool, error) {
			err := a.admin.Get(ctx, client.ObjectKeyFromObject(key), key)

			return err == nil && holds(key), err
		})
		if err != nil {
			return fmt.Errorf("%w; status is %+v", err, key.Status)
		}

		return nil
	})
}

// peak is the largest resident memory that a manager has had, in bytes.
func (r *replica) peak(t *testing.T) int {
	t.Helper()
	memory, err := process.MemoryOf(r.pid)
	if err != nil {
		t.Fatal(err)
	}

	return int(memory.Peak)
}
