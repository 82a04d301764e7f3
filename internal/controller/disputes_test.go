// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"slices"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// backup is what a tool for backups keeps of an APIKey with status, and of its Secret.
type backup struct {
	status v1alpha1.APIKeyStatus
	secret *corev1.Secret
}

func (f *fixture) backup() backup {
	GinkgoHelper()

	return backup{f.key().Status, f.secret()}
}

// restore puts a backup into this APIKey and its Secret. No operator may run: after half of the restore it would mint a new key.
func (f *fixture) restore(b backup) {
	GinkgoHelper()
	secret := f.secret()
	secret.Data, secret.Annotations, secret.Labels = b.secret.Data, b.secret.Annotations, b.secret.Labels
	Expect(admin.Update(f.ctx, secret)).To(Succeed())
	f.editStatus(func(s *v1alpha1.APIKeyStatus) {
		*s = *b.status.DeepCopy()
		s.SecretRef = &v1alpha1.SecretReference{Name: secret.Name, UID: secret.UID, ResourceVersion: secret.ResourceVersion}
	})
}

// mintAll creates the APIKeys of fixtures, and stops the operator once it has minted a key for each.
func mintAll(fixtures []*fixture, changes ...func(*ctrl.Options)) {
	GinkgoHelper()
	o := startOperator(fixtures[0], changes...)
	for _, f := range fixtures {
		f.create(func(k *v1alpha1.APIKey) { k.Spec.Rotation = &v1alpha1.Rotation{Overlap: "1h"} })
	}
	for _, f := range fixtures {
		f.eventuallyHealthy()
	}
	afterPasses(0, func() {}) // items left in the queue of a stopped operator would count as work for good
	o.stop()
}

// eventuallyShows waits until the conditions of the APIKey are as given, each as "Type=Status Reason", in the order of types.
func (f *fixture) eventuallyShows(want ...string) *v1alpha1.APIKey {
	GinkgoHelper()
	Eventually(func() []string { return conditionsOf(f.key()) }).WithTimeout(patience).Should(Equal(want))

	return f.key()
}

func conditionsOf(apikey *v1alpha1.APIKey) []string {
	var all []string
	for _, c := range apikey.Status.Conditions {
		all = append(all, c.Type+"="+string(c.Status)+" "+c.Reason)
	}
	slices.Sort(all)

	return all
}

// works and refused are the conditions of an APIKey whose active key is accepted, and of one whose active key is disputed.
func works() []string { return []string{"Active=True Minted", "Ready=True Minted"} }

func refused() []string {
	return []string{"Active=False Disputed", "Disputed=True Disputed", "Ready=False Disputed", "Stalled=True Disputed"}
}

// disputeEvents are the names of the APIKeys about which there is a Warning event with the reason Disputed, one for each event.
func (f *fixture) disputeEvents() []string {
	GinkgoHelper()
	events := &corev1.EventList{}
	Expect(admin.List(f.ctx, events, client.InNamespace(f.name.Namespace))).To(Succeed())
	var names []string
	for i := range events.Items {
		if e := &events.Items[i]; e.Reason == v1alpha1.ReasonDisputed && e.Type == corev1.EventTypeWarning && e.InvolvedObject.Kind == "APIKey" {
			names = append(names, slices.Repeat([]string{e.InvolvedObject.Name}, max(1, int(e.Count)))...)
		}
	}
	slices.Sort(names)

	return names
}

var _ = Describe("A key that two APIKeys have a record of", Serial, func() {
	const stopOldKeys = "copied,overlap=0s"

	It("is reported at both, by one event each, until one of them is rotated", func(ctx context.Context) {
		fixtures := newFixtures(ctx, 2)
		owner, copied := fixtures[0], fixtures[1]
		mintAll(fixtures)
		copied.restore(owner.backup())
		startOperator(owner)

		Expect(condition(owner.eventuallyShows(refused()...), v1alpha1.ConditionReady).Message).To(ContainSubstring(`APIKey "` + copied.name.Name + `"`))
		Expect(condition(copied.eventuallyShows(refused()...), v1alpha1.ConditionReady).Message).To(ContainSubstring(`APIKey "` + owner.name.Name + `"`))
		Eventually(owner.disputeEvents).WithTimeout(patience).Should(Equal([]string{copied.name.Name, owner.name.Name}))

		owner.rotate(stopOldKeys)
		owner.eventuallyShows(works()...)
		copied.eventuallyShows(works()...)
		owner.eventuallyHealthy()
		copied.rotate(stopOldKeys) // the key is known to users of the other one
		copied.eventuallyHealthy(func(k *v1alpha1.APIKey) bool { return k.Status.LastRotation.Value == stopOldKeys })
		Expect(owner.disputeEvents()).To(HaveLen(2))
	})

	It("is reported by operators that run until the other APIKey is deleted", func(ctx context.Context) {
		fixtures := newFixtures(ctx, 2)
		owner, copied := fixtures[0], fixtures[1]
		mintAll(fixtures)
		copied.restore(owner.backup())
		startOperator(owner)
		startOperator(owner)
		owner.eventuallyShows(refused()...)
		copied.eventuallyShows(refused()...)
		Expect(admin.Delete(ctx, copied.key())).To(Succeed())
		owner.eventuallyShows(works()...)
		owner.eventuallyHealthy()
		Expect(owner.handedOut()).To(HaveLen(1), "nothing is minted because of it")
	})

	It("does not tell the owner which other namespace has it", func(ctx context.Context) {
		owner, copied := newFixture(ctx), newFixture(ctx)
		copied.name.Name = "restored"
		both := func(opts *ctrl.Options) { opts.Cache.DefaultNamespaces[copied.name.Namespace] = cache.Config{} }
		mintAll([]*fixture{owner, copied}, both)
		copied.restore(owner.backup())
		startOperator(owner, both)
		for f, other := range map[*fixture]*fixture{owner: copied, copied: owner} {
			apikey := f.eventuallyShows(refused()...)
			Expect(condition(apikey, v1alpha1.ConditionReady).Message).To(SatisfyAll(ContainSubstring("an APIKey in another namespace"),
				Not(ContainSubstring(other.name.Namespace)), Not(ContainSubstring(other.name.Name))))
			Eventually(f.disputeEvents).WithTimeout(patience).Should(Equal([]string{f.name.Name}))
		}
	})

	It("is reported where only the old key of an overlap is disputed, and the active one works", func(ctx context.Context) {
		fixtures := newFixtures(ctx, 2)
		owner, copied := fixtures[0], fixtures[1]
		mintAll(fixtures)
		before := owner.backup()
		owner.rotate("planned")
		owner.settle()
		copied.restore(before)
		startOperator(owner)
		owner.eventuallyShows("Active=True Minted", "Disputed=True Disputed", "Ready=True Minted")
		copied.eventuallyShows(refused()...)
		Eventually(owner.disputeEvents).WithTimeout(patience).Should(Equal([]string{copied.name.Name, owner.name.Name}))
		owner.rotate(stopOldKeys)
		owner.eventuallyShows(works()...)
		copied.eventuallyShows(works()...)
	})

	It("is reported while a forged record lasts, and no longer", func(ctx context.Context) {
		fixtures := newFixtures(ctx, 2)
		owner, thief := fixtures[0], fixtures[1]
		startOperator(owner)
		owner.create()
		thief.create()
		owner.eventuallyHealthy()
		thief.eventuallyHealthy()
		seen := watchConditions(owner)
		thief.editStatus(func(s *v1alpha1.APIKeyStatus) { s.Keys = owner.key().Status.Keys })
		seen.eventually(owner.name.Name, refused())
		seen.eventually(thief.name.Name, refused())
		seen.eventually(owner.name.Name, works())
		seen.eventually(thief.name.Name, works())
		owner.eventuallyHealthy()
		thief.eventuallyHealthy()
		Expect(owner.disputeEvents()).To(ConsistOf(owner.name.Name, thief.name.Name))
		Expect(owner.handedOut()).To(HaveLen(1), "nothing is minted for the owner because of it")
	})

	It("costs no API call while it lasts, in 1000 passes of two operators", func(ctx context.Context) {
		const copies = 30
		fixtures := newFixtures(ctx, copies)
		mintAll(fixtures)
		backup := fixtures[0].backup()
		for _, f := range fixtures[1:] {
			f.restore(backup)
		}
		resync := func(opts *ctrl.Options) { opts.Cache.SyncPeriod = new(time.Second) }
		operators := []*operator{startOperator(fixtures[0], resync), startOperator(fixtures[0], resync)}
		for _, f := range fixtures {
			f.eventuallyShows(refused()...)
		}
		callsIn := func(passes float64) []string {
			for _, o := range operators {
				o.wire.Reset()
			}
			before, _ := reconciles()
			Eventually(func() float64 {
				now, _ := reconciles()

				return now - before
			}).WithTimeout(2 * patience).Should(BeNumerically(">=", passes))

			return slices.Concat(operators[0].wire.Calls(), operators[1].wire.Calls())
		}
		Eventually(func() []string { return callsIn(4 * copies) }).WithTimeout(2*patience).Should(BeEmpty(), "after a start each Secret is read once")
		Expect(callsIn(1000)).To(BeEmpty())
	})
})

// conditionHistory is what the conditions of APIKeys were, from a time on.
type conditionHistory struct {
	mu sync.Mutex
	// of are the conditions of each APIKey that have not been waited for yet, in order.
	of map[string][][]string
}

// watchConditions notes from now on every change of the conditions of the APIKeys in a namespace, also those that do not last.
func watchConditions(f *fixture) *conditionHistory {
	GinkgoHelper()
	cl, err := client.NewWithWatch(plane.Config, client.Options{Scheme: testkit.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	list := &v1alpha1.APIKeyList{}
	Expect(cl.List(f.ctx, list, client.InNamespace(f.name.Namespace))).To(Succeed())
	from := &client.ListOptions{Namespace: f.name.Namespace, Raw: &metav1.ListOptions{ResourceVersion: list.ResourceVersion}}
	w, err := cl.Watch(f.ctx, &v1alpha1.APIKeyList{}, from)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(w.Stop)
	h := &conditionHistory{of: map[string][][]string{}}
	go func() {
		for e := range w.ResultChan() {
			if apikey, ok := e.Object.(*v1alpha1.APIKey); ok {
				h.mu.Lock()
				h.of[apikey.Name] = append(h.of[apikey.Name], conditionsOf(apikey))
				h.mu.Unlock()
			}
		}
	}()

	return h
}

// eventually waits until an APIKey has had conditions, after those that were waited for before.
func (h *conditionHistory) eventually(name string, want []string) {
	GinkgoHelper()
	Eventually(func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		i := slices.IndexFunc(h.of[name], func(conditions []string) bool { return slices.Equal(conditions, want) })
		h.of[name] = h.of[name][i+1:]

		return i >= 0
	}).WithTimeout(patience).Should(BeTrue(), "%s has never had %v", name, want)
}
