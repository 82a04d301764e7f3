// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// The simulation found that such an operator dropped the record of the claimed key: its attempt to end the key, which was refused as a
// conflict, had replaced what it remembered of the claim. Now the attempt ends before it deletes the Secret.
var _ = Describe("An operator that got no answer to the status of a claim", func() {
	It("keeps the claimed key, also after a cache from before the claim has shown that the deadline is over", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(once)
		const mint = 3
		wire := testkit.NewWire(testkit.Cut{Write: mint + 1, After: true})
		r := f.checking(wire)
		for range mint {
			_, err := f.pass(r)
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(wire.Writes()).To(HaveLen(mint))
		value := f.value()
		f.claim(idOf(value))
		before := f.snapshot()
		_, err := f.pass(r)
		Expect(err).To(MatchError(testkit.ErrWire))
		Expect(f.key().Status.ClaimedAt).NotTo(BeNil())

		f.advance(2 * time.Hour)
		current, metadata := r.APIKeys, r.Metadata
		before.Client = current
		r.APIKeys, r.Metadata = before, before
		_, err = f.pass(r)
		Expect(err).NotTo(HaveOccurred())
		Expect(f.secret()).NotTo(BeNil(), "the API server has a later version of the APIKey")
		r.APIKeys, r.Metadata = current, metadata
		f.settleReconciler(r, wire)
		f.advance(-2 * time.Hour)
		f.expectClaimed(value)
		Expect(f.handedOut()).To(HaveLen(1))
	})
})
