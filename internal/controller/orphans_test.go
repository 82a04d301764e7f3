// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// letGo takes the owner references off a Secret, as garbage collection does for --cascade=orphan.
func letGo(ctx context.Context, name client.ObjectKey) {
	GinkgoHelper()
	Expect(retry.RetryOnConflict(retry.DefaultRetry, func() error {
		secret := &corev1.Secret{}
		if err := admin.Get(ctx, name, secret); err != nil {
			return err
		}
		secret.OwnerReferences = nil

		return admin.Update(ctx, secret)
	})).To(Succeed())
}

var _ = Describe("A Secret whose APIKey was deleted without it", Serial, func() {
	It("is deleted after a while, with an event, and nothing else is", func(ctx context.Context) {
		fixtures := newFixtures(ctx, 3)
		orphaned, kept, cloned := fixtures[0], fixtures[1], fixtures[2]
		o := &operator{wire: testkit.NewWire(testkit.Cut{}), grace: time.Second}
		o.start(plane.Config, orphaned)
		for _, f := range fixtures {
			f.create()
		}
		for _, f := range fixtures {
			f.eventuallyHealthy()
		}
		clone := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Namespace:   cloned.name.Namespace,
				Name:        "clone",
				Annotations: cloned.secret().Annotations,
				Labels:      cloned.secret().Labels,
			},
			Type: v1alpha1.SecretType,
			Data: cloned.secret().Data,
		}
		Expect(admin.Create(ctx, clone)).To(Succeed())
		letGo(ctx, kept.name) // its APIKey is there: a conflict, and the key works on
		value := kept.value()

		Expect(admin.Delete(ctx, orphaned.key(), client.PropagationPolicy(metav1.DeletePropagationOrphan))).To(Succeed())
		letGo(ctx, orphaned.name)
		release(ctx, orphaned.key()) // as garbage collection does
		Eventually(func() bool {
			err := admin.Get(ctx, orphaned.name, &corev1.Secret{})

			return client.IgnoreNotFound(err) == nil && err != nil
		}).WithTimeout(patience).Should(BeTrue(), "the orphan is deleted")
		Eventually(func() []string {
			events := &corev1.EventList{}
			Expect(admin.List(ctx, events, client.InNamespace(orphaned.name.Namespace))).To(Succeed())
			var reasons []string
			for i := range events.Items {
				if events.Items[i].InvolvedObject.Kind == "Secret" {
					reasons = append(reasons, events.Items[i].Reason)
				}
			}

			return reasons
		}).WithTimeout(patience).Should(Equal([]string{"Orphaned"}))
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(clone), clone)).To(Succeed(), "a clone is no orphan")
		Expect(kept.value()).To(Equal(value))
		Expect(kept.accepts(value)).To(BeTrue())
	})
})

var _ = Describe("A Secret that the garbage collector has orphaned", Serial, func() {
	It("is deleted after a while, with an event", func(ctx context.Context) {
		collected, err := testkit.Start(testkit.Options{}) // with the real garbage collector, which the other specs are without
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() { Expect(collected.Stop()).To(Succeed()) })
		Expect(collected.StartControllerManager(ctx)).To(Succeed())
		cl, err := collected.Client()
		Expect(err).NotTo(HaveOccurred())

		f := &fixture{ctx: ctx, name: client.ObjectKey{Namespace: "default", Name: "main-website"}}
		o := &operator{wire: testkit.NewWire(testkit.Cut{}), grace: 2 * time.Second}
		o.start(collected.Config, f)
		apikey, secret := f.minimal(), &corev1.Secret{}
		Expect(cl.Create(ctx, apikey)).To(Succeed())
		Eventually(func() (v1alpha1.Phase, error) { return apikey.Status.Phase, cl.Get(ctx, f.name, apikey) }).
			WithTimeout(patience).Should(Equal(v1alpha1.PhaseActive))
		other := f.minimal(func(k *v1alpha1.APIKey) { k.Name = "last" })
		Expect(testkit.AwaitCollector(ctx, cl, other, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "last-secret"}})).To(Succeed())
		Expect(cl.Get(ctx, f.name, secret)).To(Succeed())
		uid := secret.UID

		secrets := watchSecret(ctx, collected, secret)
		Expect(cl.Delete(ctx, apikey, client.PropagationPolicy(metav1.DeletePropagationOrphan))).To(Succeed())
		Eventually(func() error { return cl.Get(ctx, f.name, apikey) }).WithTimeout(patience).Should(MatchError(apierrors.IsNotFound, "not found"))
		Eventually(secrets).WithTimeout(patience).Should(Receive(HaveField("OwnerReferences", BeEmpty())), "the garbage collector lets go of it")
		Eventually(secrets).WithTimeout(patience).Should(BeClosed(), "the operator deletes it")
		Eventually(func() []string {
			events := &corev1.EventList{}
			Expect(cl.List(ctx, events, client.InNamespace("default"))).To(Succeed())
			var about []string
			for i := range events.Items {
				if events.Items[i].InvolvedObject.UID == uid {
					about = append(about, events.Items[i].Reason)
				}
			}

			return about
		}).WithTimeout(patience).Should(Equal([]string{"Orphaned"}))
	})
})

// watchSecret delivers every later state of a Secret, and is closed when the Secret is deleted.
func watchSecret(ctx context.Context, plane *testkit.ControlPlane, secret *corev1.Secret) <-chan *corev1.Secret {
	GinkgoHelper()
	cl, err := client.NewWithWatch(plane.Config, client.Options{Scheme: testkit.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	w, err := cl.Watch(ctx, &corev1.SecretList{}, &client.ListOptions{
		Namespace:     secret.Namespace,
		FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, secret.Name),
		Raw:           &metav1.ListOptions{ResourceVersion: secret.ResourceVersion},
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(w.Stop)
	states := make(chan *corev1.Secret, 100)
	go func() {
		for e := range w.ResultChan() {
			if e.Type == watch.Deleted {
				close(states)

				return
			}
			if state, ok := e.Object.(*corev1.Secret); ok {
				states <- state
			}
		}
	}()

	return states
}
