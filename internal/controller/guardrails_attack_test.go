// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

func newMeanwhile(write int, act func()) *testkit.Wire {
	return testkit.NewWire(testkit.Cut{Write: write, Meanwhile: act})
}

// forge writes a status as only the operator can.
func (s *site) forge(f *fixture, change func(*v1alpha1.APIKeyStatus)) {
	GinkgoHelper()
	c, err := client.New(s.operator, client.Options{Scheme: testkit.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	apikey := f.key()
	change(&apikey.Status)
	Expect(c.Status().Update(f.ctx, apikey)).To(Succeed())
}

// garbageCollector is who collects garbage in a cluster. A user who may impersonate service accounts in kube-system can be it.
const garbageCollector = "system:serviceaccount:kube-system:generic-garbage-collector"

// asMaster is a client of a user who has every right, as an administrator who impersonates that user.
func asMaster(user string) client.Client {
	GinkgoHelper()
	cfg := rest.CopyConfig(plane.Config)
	cfg.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:masters"}}
	c, err := client.New(cfg, client.Options{Scheme: admin.Scheme(), Mapper: admin.RESTMapper()})
	Expect(err).NotTo(HaveOccurred())

	return c
}

// Each of these is tried by an administrator, who has every right that there is.
var _ = Describe("An attack with every right", Ordered, Serial, func() {
	s := installed()

	It("that copies a digest onto another APIKey is refused, and put right where it was not", func(ctx context.Context) {
		fixtures := newFixtures(ctx, 2)
		victim, thief := fixtures[0], fixtures[1]
		for _, f := range fixtures {
			f.create()
			s.settle(f)
		}
		stolen := victim.key().Status.Keys
		apikey := thief.key()
		apikey.Status.Keys = stolen
		Expect(admin.Status().Update(ctx, apikey)).To(MatchError(apierrors.IsForbidden, "forbidden"))

		s.forge(thief, func(status *v1alpha1.APIKeyStatus) { status.Keys = stolen; status.SecretRef = nil })
		Expect(thief.accepts(victim.value())).To(BeTrue())
		s.settle(thief)
		thief.expectHealthy()
		Expect(thief.accepts(victim.value())).To(BeFalse())
		victim.expectHealthy()
	})

	It("that makes the Secret first only keeps the key from being made, and it is never taken for the key's own", func(ctx context.Context) {
		for _, kind := range []corev1.SecretType{v1alpha1.SecretType, corev1.SecretTypeOpaque} {
			f := newFixture(ctx)
			planted := f.foreign(kind)
			f.create()
			s.settle(f)
			f.expectConflict(planted)
			Expect(f.accepts(string(planted.Data[v1alpha1.SecretKeyDefault]))).To(BeFalse())

			By("making it that of the APIKey, by right of an administrator and in the name of the garbage collector")
			adopted := planted.DeepCopy()
			adopted.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(f.key(), v1alpha1.GroupVersion.WithKind("APIKey"))}
			if kind == v1alpha1.SecretType {
				for _, user := range []string{"admin", garbageCollector} {
					Expect(asMaster(user).Update(ctx, adopted.DeepCopy())).To(MatchError(apierrors.IsForbidden, "forbidden"))
				}
			}
			Expect(admin.Delete(ctx, planted)).To(Succeed())
			s.settle(f)
			f.expectHealthy()

			By("changing what the Secret holds, in the name of the garbage collector")
			secret := f.secret()
			secret.Data = planted.Data
			secret.OwnerReferences = nil
			for _, user := range []string{"admin", garbageCollector} {
				Expect(asMaster(user).Update(ctx, secret.DeepCopy())).To(MatchError(apierrors.IsForbidden, "forbidden"))
			}
		}
	})

	It("that puts a copy with a key of its own in the place of the Secret ends the key, and the copy is worth nothing", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		s.settle(f)
		old := f.value()
		copied := f.secret()
		Expect(admin.Delete(ctx, f.secret())).To(Succeed())
		copied.ObjectMeta = metav1.ObjectMeta{Namespace: copied.Namespace, Name: copied.Name, Labels: copied.Labels, Annotations: copied.Annotations}
		Expect(admin.Create(ctx, copied)).To(Succeed())
		s.settle(f)
		f.expectConflict(copied)
		Expect(f.accepts(old)).To(BeFalse())
		Expect(f.key().Status.Phase).To(Equal(v1alpha1.PhasePending))
		Expect(admin.Delete(ctx, copied)).To(Succeed())
		s.settle(f)
		f.expectHealthy()
		Expect(f.accepts(old)).To(BeFalse())
	})

	It("in the name of the garbage collector, that forges a status, is refused", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		s.settle(f)
		for _, user := range []string{garbageCollector, "system:serviceaccount:kube-system:namespace-controller", "system:kube-controller-manager"} {
			apikey := f.key()
			apikey.Status.Keys = append(apikey.Status.Keys, v1alpha1.KeyRecord{
				ID: strings.Repeat("a", 12), Digest: strings.Repeat("a", 43), State: v1alpha1.KeyActive, CreatedAt: metav1.Now(),
			})
			Expect(asMaster(user).Status().Update(ctx, apikey)).To(MatchError(apierrors.IsForbidden, "forbidden"), user)
		}
		f.expectHealthy()
	})

	It("by 20 creators who want one Secret gets one of them a key", func(ctx context.Context) {
		fixtures := newFixtures(ctx, 20)
		s.start(fixtures[0])
		s.start(fixtures[0])
		var creators sync.WaitGroup
		errs := make([]error, len(fixtures))
		for i, f := range fixtures {
			creators.Go(func() {
				errs[i] = admin.Create(ctx, f.minimal(func(k *v1alpha1.APIKey) { k.Spec.Secret = &v1alpha1.SecretTemplate{Name: "shared"} }))
			})
		}
		creators.Wait()
		Expect(errs).To(HaveEach(Not(HaveOccurred())))
		phases := func() map[string]int {
			count := map[string]int{}
			for _, f := range fixtures {
				apikey := f.key()
				reason := ""
				if ready := condition(apikey, v1alpha1.ConditionReady); ready != nil {
					reason = ready.Reason
				}
				count[string(apikey.Status.Phase)+": "+reason]++
			}

			return count
		}
		Eventually(phases).WithTimeout(patience).Should(Equal(map[string]int{
			"Active: Minted": 1, "Pending: SecretConflict": 19,
		}))
		handedOut := fixtures[0].handedOut()
		Expect(handedOut).To(HaveLen(1))
		accepting := 0
		for _, f := range fixtures {
			if f.accepts(handedOut[0]) {
				accepting++
			}
		}
		Expect(accepting).To(Equal(1), "APIKeys that the key is good for")
	})

	It("that restores the status from a backup is refused, and put right where it was not", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		s.settle(f)
		old, backup := f.value(), f.key().Status
		f.rotate("now")
		s.settle(f)
		apikey := f.key()
		apikey.Status = backup
		Expect(admin.Status().Update(ctx, apikey)).To(MatchError(apierrors.IsForbidden, "forbidden"))
		f.expectHealthy()

		s.forge(f, func(status *v1alpha1.APIKeyStatus) { *status = backup })
		s.settle(f)
		f.expectHealthy()
		Expect(f.accepts(old)).To(BeFalse())
	})

	It("that restores the object without its status, in the place of the one it was, gets no key of the old one", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		s.settle(f)
		old := f.value()
		Expect(admin.Delete(ctx, f.key())).To(Succeed())
		f.create() // the garbage collector, which does not run here, has not come yet
		secret := f.secret()
		s.settle(f)
		f.expectConflict(secret)
		Expect(f.accepts(old)).To(BeFalse())
		Expect(admin.Delete(ctx, secret)).To(Succeed())
		s.settle(f)
		f.expectHealthy()
		Expect(f.accepts(old)).To(BeFalse())
	})

	It("that takes the status away is refused", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		s.settle(f)
		apikey := f.key()
		apikey.Status = v1alpha1.APIKeyStatus{}
		Expect(admin.Status().Update(ctx, apikey)).To(MatchError(apierrors.IsForbidden, "forbidden"))
		f.expectHealthy()
	})
})
