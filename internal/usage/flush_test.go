// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package usage_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
	"github.com/apikey-operator/apikey-operator/internal/usage"
)

// answerLost is a connection that loses the answer to the first write.
func answerLost() *testkit.Wire { return testkit.NewWire(testkit.Cut{Write: 1, After: true}) }

// realTime makes a Recorder wait in earnest, where it is the watch that it waits for.
func realTime(o *usage.Options) { o.Clock = clock.RealClock{} }

var _ = Describe("Flush", func() {
	It("writes all that is pending, whatever the 5 minutes and the budget say", func(ctx context.Context) {
		f := newFixture(ctx)
		r := f.start(func(o *usage.Options) { o.WritesPerSecond = 1 })
		var keys []*v1alpha1.APIKey
		for i := range 50 {
			keys = append(keys, f.create(fmt.Sprintf("key-%d", i)))
			f.use(r, keys[i])
		}
		r.WriteDue(ctx)
		f.clock.Step(time.Second)
		var last time.Time
		for _, key := range keys {
			last = f.use(r, key)
		}
		Expect(r.Flush(ctx)).To(BeZero())
		for _, key := range keys {
			Expect(f.lastUsedAt(key)).To(Equal(last))
		}
		Expect(r.pending()).To(BeZero())
		Expect(r.wire.Calls()).To(HaveLen(51), "each key once, and the one of the pass twice")
	})

	It("waits for an API server that is away, no longer than its context, and says how many are left", func(ctx context.Context) {
		f := newFixture(ctx)
		r := f.start(realTime)
		for i := range 20 {
			f.use(r, f.create(fmt.Sprintf("key-%d", i)))
		}
		r.away.Store(true)
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		Expect(r.Flush(short)).To(Equal(20))
		Expect(r.pending()).To(Equal(20.0))

		time.AfterFunc(300*time.Millisecond, func() { r.away.Store(false) })
		Expect(r.Flush(ctx)).To(BeZero())
	})

	It("does not wait for rights, and counts what it may not write", func(ctx context.Context) {
		f := newFixture(ctx)
		nobody, err := plane.User("nobody")
		Expect(err).NotTo(HaveOccurred())
		r := f.startAs(nobody, realTime)
		f.use(r, f.create("one"))
		f.use(r, f.create("two"))
		Expect(r.Flush(ctx)).To(Equal(2))
		Expect(r.writes("forbidden")).To(Equal(2.0))
	})

	It("leaves the newest use there when replicas race, and every value is newer than the one before", func(ctx context.Context) {
		const rounds = 200
		f := newFixture(ctx)
		key := f.create("main-website")
		replicas := []*replica{f.start(realTime), f.start(realTime)}
		var newest time.Time
		for round := range rounds {
			uses := []time.Time{f.clock.Now(), f.clock.Now().Add(time.Second)}
			newest = uses[1].UTC()
			if round%2 == 0 {
				slices.Reverse(uses)
			}
			var racing sync.WaitGroup
			for i, r := range replicas {
				racing.Go(func() {
					defer GinkgoRecover()
					r.Used(subjectOf(key), uses[i])
					Expect(r.Flush(ctx)).To(BeZero())
				})
			}
			racing.Wait()
			Expect(f.lastUsedAt(key)).To(Equal(newest), "after round %d", round)
			f.clock.Step(time.Minute)
		}
		f.awaitWatch(key)
		values := f.seen.values(key.UID)
		Expect(slices.IsSortedFunc(values, time.Time.Compare)).To(BeTrue(), "lastUsedAt went back: %v", values)
		refused := replicas[0].writes("refused") + replicas[1].writes("refused")
		Expect(refused).To(BeNumerically(">", 0), "they never met, so this shows nothing")
		AddReportEntry("races", fmt.Sprintf("%d rounds, %d values, %v refused", rounds, len(values), refused))
	})
})
