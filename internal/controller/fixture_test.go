// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	testclock "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/controller"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// fixture is one APIKey in a namespace of its own, and a clock that moves when it is told to.
type fixture struct {
	ctx   context.Context
	clock *testclock.FakePassiveClock
	name  client.ObjectKey
	// events are the reasons of the events that reconcilers of this fixture have sent, and notes what they say.
	events, notes []string
}

// newFixture makes a namespace. The clock starts at the present, because the API server sets creation timestamps.
func newFixture(ctx context.Context) *fixture {
	GinkgoHelper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "spec-"}}
	Expect(admin.Create(ctx, ns)).To(Succeed())

	return &fixture{
		ctx:   ctx,
		clock: testclock.NewFakePassiveClock(time.Now().Truncate(time.Second)),
		name:  client.ObjectKey{Namespace: ns.Name, Name: "main-website"},
	}
}

// newFixtures makes one namespace for several APIKeys.
func newFixtures(ctx context.Context, n int) []*fixture {
	GinkgoHelper()
	first := newFixture(ctx)
	fixtures := []*fixture{first}
	for i := 1; i < n; i++ {
		fixtures = append(fixtures, &fixture{
			ctx: ctx, clock: first.clock,
			name: client.ObjectKey{Namespace: first.name.Namespace, Name: fmt.Sprintf("key-%d", i)},
		})
	}

	return fixtures
}

// create creates the APIKey, after the given changes to a minimal one.
func (f *fixture) create(changes ...func(*v1alpha1.APIKey)) *v1alpha1.APIKey {
	GinkgoHelper()
	apikey := f.minimal(changes...)
	Expect(admin.Create(f.ctx, apikey)).To(Succeed())

	return apikey
}

// minimal is an APIKey that declares no more than it must, after the given changes.
func (f *fixture) minimal(changes ...func(*v1alpha1.APIKey)) *v1alpha1.APIKey {
	apikey := &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.name.Namespace, Name: f.name.Name},
		Spec:       v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentProduction},
	}
	for _, change := range changes {
		change(apikey)
	}

	return apikey
}

// edit changes the APIKey as a user would.
func (f *fixture) edit(change func(*v1alpha1.APIKey)) {
	GinkgoHelper()
	apikey := f.key()
	before := apikey.DeepCopy()
	change(apikey)
	Expect(admin.Patch(f.ctx, apikey, client.MergeFrom(before))).To(Succeed())
}

// rotate sets the rotate annotation.
func (f *fixture) rotate(value string) {
	GinkgoHelper()
	f.edit(func(k *v1alpha1.APIKey) {
		metav1.SetMetaDataAnnotation(&k.ObjectMeta, v1alpha1.RotateAnnotation, value)
	})
}

func (f *fixture) key() *v1alpha1.APIKey {
	GinkgoHelper()
	apikey := &v1alpha1.APIKey{}
	Expect(admin.Get(f.ctx, f.name, apikey)).To(Succeed())

	return apikey
}

// secret is the Secret of the APIKey; nil: there is none.
func (f *fixture) secret() *corev1.Secret {
	GinkgoHelper()
	secret := &corev1.Secret{}
	err := admin.Get(f.ctx, client.ObjectKey{Namespace: f.name.Namespace, Name: f.key().SecretName()}, secret)
	if client.IgnoreNotFound(err) == nil && err != nil {
		return nil
	}
	Expect(err).NotTo(HaveOccurred())

	return secret
}

// value is the key that the Secret holds.
func (f *fixture) value() string {
	GinkgoHelper()
	secret := f.secret()
	Expect(secret).NotTo(BeNil(), "there is no Secret")

	return string(secret.Data[f.key().SecretDataKey()])
}

// reconciler returns an operator that has just started and remembers nothing.
func (f *fixture) reconciler(wire *testkit.Wire) *controller.Reconciler {
	GinkgoHelper()

	return f.reconcilerFor(wire.Attach(plane.Config))
}

func (f *fixture) reconcilerFor(cfg *rest.Config) *controller.Reconciler {
	GinkgoHelper()
	cl, err := client.New(cfg, client.Options{Scheme: testkit.Scheme()})
	Expect(err).NotTo(HaveOccurred())

	announcer, err := controller.NewReporter(f, prometheus.NewRegistry())
	Expect(err).NotTo(HaveOccurred())

	return &controller.Reconciler{
		APIKeys: cl, Metadata: cl, Policies: cl, Secrets: cl, Clock: f.clock, Keys: keys.Generator{}, Reporter: announcer,
		Failures: controller.NewFailures(),
	}
}

// Eventf implements controller.EventRecorder.
func (f *fixture) Eventf(_, _ runtime.Object, kind, reason, _, note string, args ...any) {
	f.events = append(f.events, reason)
	f.notes = append(f.notes, kind+" "+reason+": "+fmt.Sprintf(note, args...))
}

// pass lets a reconciler look at the APIKey once.
func (f *fixture) pass(r *controller.Reconciler) (ctrl.Result, error) {
	ctx := ctrl.LoggerInto(f.ctx, ctrl.Log.WithName("spec"))

	return r.Reconcile(ctx, ctrl.Request{NamespacedName: f.name})
}

// settle lets a freshly started operator work until it has nothing left to write.
func (f *fixture) settle() ctrl.Result {
	GinkgoHelper()

	return f.settleWith(testkit.NewWire(testkit.Cut{}))
}

func (f *fixture) settleWith(wire *testkit.Wire) ctrl.Result {
	GinkgoHelper()

	return f.settleReconciler(f.reconciler(wire), wire)
}

func (f *fixture) settleReconciler(r *controller.Reconciler, wire *testkit.Wire) ctrl.Result {
	GinkgoHelper()
	for range 10 {
		before := len(wire.Writes())
		result, err := f.pass(r)
		Expect(err).NotTo(HaveOccurred())
		if len(wire.Writes()) == before {
			return result
		}
	}
	Fail("after 10 passes the operator still writes")

	return ctrl.Result{}
}

// expectHealthy checks what holds of every key that works: one Active record, which is that of the key in the Secret,
// and no announced key left over.
func (f *fixture) expectHealthy() {
	GinkgoHelper()
	apikey := f.key()
	active := recordsIn(apikey, v1alpha1.KeyActive)
	Expect(active).To(HaveLen(1), "Active records")
	Expect(recordsIn(apikey, v1alpha1.KeyPending)).To(BeEmpty(), "Pending records")
	Expect(keys.Check(f.value())).To(Succeed())
	Expect(active[0].Digest).To(Equal(keys.DigestOf(f.value()).String()), "digest of the key in the Secret")
	Expect(apikey.Status.Phase).To(Equal(v1alpha1.PhaseActive))
	Expect(apikey.Status.SecretRef.ResourceVersion).To(Equal(f.secret().ResourceVersion))
	Expect(apikey.Status.ObservedGeneration).To(Equal(apikey.Generation))
}

// handedOut are all keys that this APIKey's Secret has ever held.
func (f *fixture) handedOut() []string {
	GinkgoHelper()
	values, err := handouts.Of(f.ctx, client.ObjectKey{Namespace: f.name.Namespace, Name: f.key().SecretName()})
	Expect(err).NotTo(HaveOccurred())

	return values
}

// accepts says whether a verifier would accept a key by its record.
func (f *fixture) accepts(value string) bool {
	GinkgoHelper()
	apikey := f.key()
	digest := keys.DigestOf(value).String()
	for _, r := range apikey.Status.Keys {
		if r.Digest == digest {
			ends := r.ClaimDeadline
			if r.State == v1alpha1.KeyRetiring {
				ends = r.NotAfter
			}

			return ends == nil || f.clock.Now().Before(ends.Time)
		}
	}

	return false
}

func recordsIn(apikey *v1alpha1.APIKey, state v1alpha1.KeyState) []v1alpha1.KeyRecord {
	var found []v1alpha1.KeyRecord
	for _, r := range apikey.Status.Keys {
		if r.State == state {
			found = append(found, r)
		}
	}

	return found
}

func condition(apikey *v1alpha1.APIKey, conditionType string) *metav1.Condition {
	for i := range apikey.Status.Conditions {
		if apikey.Status.Conditions[i].Type == conditionType {
			return &apikey.Status.Conditions[i]
		}
	}

	return nil
}
