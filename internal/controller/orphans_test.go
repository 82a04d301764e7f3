// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

var _ = Describe("A Secret that an APIKey has let go of", Serial, func() {
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
			ObjectMeta: metav1.ObjectMeta{Namespace: cloned.name.Namespace, Name: "clone", Annotations: cloned.secret().Annotations, Labels: cloned.secret().Labels},
			Type:       v1alpha1.SecretType, Data: cloned.secret().Data,
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
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(clone), clone)).To(Succeed(), "a clone is nobody's orphan")
		Expect(kept.value()).To(Equal(value))
		Expect(kept.accepts(value)).To(BeTrue())
	})
})
