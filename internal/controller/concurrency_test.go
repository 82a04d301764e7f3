// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/controller"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

var _ = Describe("Two reconcilers on one object", func() {
	for _, s := range scenarios() {
		for write := 1; write <= 3; write++ {
			for _, passes := range []int{1, 4} {
				It(fmt.Sprintf("hand out one key: %s, %d passes of the other before write %d", s.name, passes, write), func(ctx context.Context) {
					f := newFixture(ctx)
					s.prepare(f)
					other := f.reconciler(testkit.NewWire(testkit.Cut{}))
					wire := testkit.NewWire(testkit.Cut{Write: write, Meanwhile: func() {
						for range passes {
							_, err := f.pass(other)
							Expect(err).NotTo(HaveOccurred())
						}
					}})
					result, err := f.pass(f.reconciler(wire))
					Expect(err).NotTo(HaveOccurred(), "a conflict is no error")
					Expect(result.RequeueAfter).To(BeNumerically(">", 0), "the reconciler that was overtaken tries again")
					expectNoDeadKeyInSecret(f)
					f.settle()
					f.expectHealthy()
					Expect(f.handedOut()).To(HaveLen(s.handedOut))
				})
			}
		}
	}

	It("agree on one key although the clock of one says that the other's was not claimed in time", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(once, func(k *v1alpha1.APIKey) { k.Spec.Secret.ClaimBefore = "1m" })
		behind := func(cut testkit.Cut) *controller.Reconciler {
			r := f.reconciler(testkit.NewWire(cut))
			r.Clock = testclock.NewFakePassiveClock(f.clock.Now().Add(-time.Minute))

			return r
		}
		_, err := f.pass(behind(testkit.Cut{Write: 3, Forever: true}))
		Expect(err).To(MatchError(testkit.ErrWire), "it dies before it promotes the key")

		wire := testkit.NewWire(testkit.Cut{Write: 2, Meanwhile: func() {
			Expect(f.key().Status.Keys).To(HaveLen(2), "the announcement of another key")
			_, err := f.pass(behind(testkit.Cut{}))
			Expect(err).NotTo(HaveOccurred())
		}})
		result, err := f.pass(f.reconciler(wire))
		Expect(err).NotTo(HaveOccurred(), "a conflict is no error")
		Expect(result.RequeueAfter).To(BeNumerically(">", 0))
		held := keys.DigestOf(f.value()).String()
		Expect(f.key().Status.Keys).To(ConsistOf(And(HaveField("Digest", held), HaveField("State", v1alpha1.KeyActive))))
	})

	It("do not touch a Secret that changes hands while one is held up", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		wire := testkit.NewWire(testkit.Cut{Write: 2, Meanwhile: func() { f.foreign("Opaque") }})
		_, err := f.pass(f.reconciler(wire))
		Expect(err).NotTo(HaveOccurred())
		f.settle()
		Expect(condition(f.key(), v1alpha1.ConditionReady)).To(HaveField("Reason", v1alpha1.ReasonSecretConflict))
		Expect(f.secret().Data).To(HaveKeyWithValue("api-key", []byte("another program's")))
	})
})

// stale is a client whose reads of APIKeys and of Secret metadata come from the past, as a cache's may.
type stale struct {
	client.Client

	key    *v1alpha1.APIKey
	secret *metav1.PartialObjectMetadata
}

// Get implements client.Reader.
func (s *stale) Get(_ context.Context, name client.ObjectKey, obj client.Object, _ ...client.GetOption) error {
	switch into := obj.(type) {
	case *v1alpha1.APIKey:
		s.key.DeepCopyInto(into)
	case *metav1.PartialObjectMetadata:
		if s.secret == nil {
			return notFound(name)
		}
		s.secret.DeepCopyInto(into)
	default:
		return fmt.Errorf("%T is never read from a cache", obj)
	}

	return nil
}

var _ = Describe("A cache from the past", func() {
	It("does no harm, whatever it shows", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		past := []*stale{f.snapshot()}
		grow := func() { past = append(past, f.snapshot()) }

		for range 2 { // the mint, then a rotation, each seen after every write
			for write := 1; write <= 3; write++ {
				_, _ = f.pass(f.reconciler(testkit.NewWire(testkit.Cut{Write: write, After: true, Forever: true})))
				grow()
			}
			f.settle()
			f.rotate("now")
			grow()
		}
		f.settle()
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.Suspend = true })
		grow()
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.Suspend = false })
		f.settle()
		value, version := f.value(), f.key().ResourceVersion

		for _, cache := range past {
			r := f.reconciler(testkit.NewWire(testkit.Cut{}))
			cache.Client = r.APIKeys
			r.APIKeys, r.Metadata = cache, cache
			_, err := f.pass(r)
			Expect(err).NotTo(HaveOccurred())
			Expect(f.value()).To(Equal(value))
			Expect(f.key().ResourceVersion).To(Equal(version), "nothing was written")
		}
		f.expectHealthy()
	})
})

// snapshot is what a cache would show now.
func (f *fixture) snapshot() *stale {
	GinkgoHelper()
	s := &stale{key: f.key()}
	if secret := f.secret(); secret != nil {
		s.secret = &metav1.PartialObjectMetadata{ObjectMeta: secret.ObjectMeta}
	}

	return s
}
