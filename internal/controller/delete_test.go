// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// passWith runs one pass of an operator whose cache shows the past.
func (f *fixture) passWith(cache *stale) {
	GinkgoHelper()
	r := f.reconciler(testkit.NewWire(testkit.Cut{}))
	cache.Client = r.APIKeys
	r.APIKeys, r.Metadata = cache, cache
	_, err := f.pass(r)
	Expect(err).NotTo(HaveOccurred(), "the older version is a conflict, which is tried again")
}

// A Secret that is deleted by an older view takes a living key from its workload.
var _ = Describe("A cache that shows an APIKey from the past", func() {
	DescribeTable("deletes no Secret whose APIKey got a later end", func(ctx context.Context, change func(*v1alpha1.APIKey)) {
		f := newFixture(ctx)
		f.create(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "1h" })
		f.settle()
		past, value := f.snapshot(), f.value()
		f.edit(change)
		f.settle()
		f.advance(2 * time.Hour)
		f.passWith(past)
		Expect(f.secret()).NotTo(BeNil())
		Expect(f.accepts(value)).To(BeTrue())
		f.expectUntouched(value)
	},
		Entry("by validFor", func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "10h" }),
		Entry("by expiresAt", func(k *v1alpha1.APIKey) {
			k.Spec.ValidFor, k.Spec.ExpiresAt = "", v1alpha1.StorableTime(k.CreationTimestamp.Add(10*time.Hour))
		}),
		Entry("by having none", func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "" }),
	)

	It("deletes no Secret after a deadline of which it missed the rotation", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(once)
		f.settle()
		past := f.snapshot()
		f.advance(30 * time.Minute)
		f.rotate("now")
		f.settle()
		value := f.value()
		f.advance(45 * time.Minute) // past the deadline of the first delivery, before that of the second
		past.secret = &metav1.PartialObjectMetadata{ObjectMeta: f.secret().ObjectMeta}
		f.passWith(past)
		Expect(f.secret()).NotTo(BeNil())
		Expect(f.value()).To(Equal(value))
		Expect(f.accepts(value)).To(BeTrue())
	})

	It("deletes no Secret of the delivery after the claim", func(ctx context.Context) {
		f := newFixture(ctx)
		claimed := f.deliver()
		past := f.snapshot()
		f.rotate("now")
		f.settle()
		value := f.value()
		Expect(value).NotTo(Equal(claimed))
		past.secret = &metav1.PartialObjectMetadata{ObjectMeta: f.secret().ObjectMeta}
		f.passWith(past)
		Expect(f.secret()).NotTo(BeNil())
		Expect(f.value()).To(Equal(value))
		Expect(f.accepts(value)).To(BeTrue())
	})
})
