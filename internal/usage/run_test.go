// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package usage_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/usage"
)

var _ = Describe("The writer", func() {
	It("writes the first use at once, and then the newest after 5 minutes", func(ctx context.Context) {
		f := newFixture(ctx)
		key := f.create("main-website")
		r := f.start()
		first := f.use(r, key)
		r.WriteDue(ctx)
		Expect(f.lastUsedAt(key)).To(Equal(first))

		var newest time.Time
		for f.clock.Since(first) < usage.Interval-time.Second {
			f.clock.Step(time.Second)
			newest = f.use(r, key)
			r.WriteDue(ctx)
		}
		Expect(r.wire.Calls()).To(HaveLen(1), "within the 5 minutes")
		Expect(r.pending()).To(Equal(1.0))
		f.clock.Step(time.Second)
		r.WriteDue(ctx)
		Expect(r.wire.Calls()).To(HaveLen(2), "after them")
		Expect(f.lastUsedAt(key)).To(Equal(newest))
	})

	It("counts the 5 minutes from the write, also when that came late", func(ctx context.Context) {
		f := newFixture(ctx)
		key := f.create("main-website")
		r := f.start()
		f.use(r, key)
		r.away.Store(true)
		r.WriteDue(ctx)
		r.away.Store(false)
		f.clock.Step(usage.Interval - time.Second)
		r.WriteDue(ctx)
		Expect(r.writes("written")).To(Equal(1.0))

		f.clock.Step(time.Second)
		at := f.use(r, key)
		f.clock.Step(usage.Interval - 2*time.Second)
		r.WriteDue(ctx)
		Expect(r.writes("written")).To(Equal(1.0), "within the 5 minutes")
		f.clock.Step(time.Second)
		r.WriteDue(ctx)
		Expect(f.lastUsedAt(key)).To(Equal(at), "after them")
	})

	It("counts the 5 minutes from what another replica has written, too", func(ctx context.Context) {
		f := newFixture(ctx)
		key := f.create("main-website")
		f.othersUse(key, f.clock.Now().Add(-time.Minute))
		f.awaitWatch(key)
		r := f.start()
		at := f.use(r, key)
		r.WriteDue(ctx)
		f.clock.Step(4*time.Minute - time.Second)
		r.WriteDue(ctx)
		Expect(r.wire.Calls()).To(BeEmpty())
		f.clock.Step(time.Second)
		r.WriteDue(ctx)
		Expect(f.lastUsedAt(key)).To(Equal(at))
	})

	It("keeps to the budget, and gives every key its turn before any its second", func(ctx context.Context) {
		f := newFixture(ctx)
		var keys []*v1alpha1.APIKey
		r := f.start()
		for i := range 25 {
			keys = append(keys, f.create(fmt.Sprintf("key-%d", i)))
		}
		for second, want := range []int{10, 20, 25, 25} {
			for _, key := range keys {
				f.use(r, key)
			}
			r.WriteDue(ctx)
			Expect(r.wire.Calls()).To(HaveLen(want), "in second %d", second)
			f.clock.Step(time.Second)
		}
		for _, key := range keys {
			Expect(f.lastUsedAt(key)).NotTo(BeZero())
		}
	})

	It("loses nothing while the API server is away, and asks it less and less often", func(ctx context.Context) {
		f := newFixture(ctx)
		keys := []*v1alpha1.APIKey{f.create("one"), f.create("two"), f.create("three")}
		r := f.start()
		r.away.Store(true)
		for range 60 { // a minute
			for _, key := range keys {
				f.use(r, key)
			}
			r.WriteDue(ctx)
			f.clock.Step(time.Second)
		}
		Expect(r.pending()).To(Equal(3.0))
		Expect(r.writes("failed")).To(And(BeNumerically(">=", 4), BeNumerically("<=", 7)))
		Expect(r.log.String()).To(MatchRegexp(`^[^\n]*result=failed\n$`), "one line a minute")

		r.away.Store(false)
		last := f.clock.Now().Add(-time.Second)
		f.clock.Step(75 * time.Second) // the longest wait, with its jitter
		for range 3 {                  // the rest of the line, then those that failed, then to see that nothing is left
			r.WriteDue(ctx)
		}
		for _, key := range keys {
			Expect(f.lastUsedAt(key)).To(Equal(last.UTC()))
		}
		Expect(r.pending()).To(BeZero())
	})

	It("gets over a write whose answer was lost", func(ctx context.Context) {
		f := newFixture(ctx)
		key := f.create("main-website")
		r := f.start(func(o *usage.Options) { o.Writer = f.writerOver(answerLost()) })
		at := f.use(r, key)
		r.WriteDue(ctx)
		Expect(r.writes("failed")).To(Equal(1.0))
		f.awaitWatch(key)
		f.clock.Step(time.Minute)
		r.WriteDue(ctx)
		r.WriteDue(ctx)
		Expect(f.seen.values(key.UID)).To(Equal([]time.Time{{}, at}))
		Expect(r.pending()).To(BeZero())
	})

	It("runs by the clock until its context ends", func(ctx context.Context) {
		f := newFixture(ctx)
		key := f.create("main-website")
		r := f.start()
		running, stop := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() { r.Run(running); close(ended) }()
		Eventually(f.clock.HasWaiters).Should(BeTrue())
		at := f.use(r, key)
		f.clock.Step(time.Second)
		Eventually(func() time.Time { return f.lastUsedAt(key) }).WithTimeout(patience).Should(Equal(at))
		stop()
		Eventually(ended).WithTimeout(patience).Should(BeClosed())
	})
})
