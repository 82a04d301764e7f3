// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/apikey-operator/apikey-operator/internal/controller"
)

// Priorities as controller-runtime numbers them.
const (
	asked  = 100
	first  = 0
	behind = -100
)

func request(namespace string, name any) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: fmt.Sprint(name)}}
}

func newQueue(t *testing.T) *controller.FairQueue {
	t.Helper()
	q := controller.NewFairQueue("", controller.NewFailures())
	t.Cleanup(q.ShutDown)

	return q
}

func add(q *controller.FairQueue, priority int, items ...reconcile.Request) {
	q.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, items...)
}

// take takes one item and is done with it.
func take(q *controller.FairQueue) reconcile.Request {
	item, _ := q.Get()
	q.Done(item)

	return item
}

// position returns how many items are taken up to and with one.
func position(q *controller.FairQueue, wanted reconcile.Request) int {
	for n := 1; ; n++ {
		if take(q) == wanted {
			return n
		}
	}
}

func TestNamespacesTakeTurns(t *testing.T) {
	for _, priority := range []int{asked, first, behind} {
		q := newQueue(t)
		for i := range 3000 {
			add(q, priority, request("busy", i))
			add(q, priority, request("also busy", i))
		}
		add(q, priority, request("quiet", 0))
		if n := position(q, request("quiet", 0)); n > 3 {
			t.Errorf("priority %d: the only one of a namespace is taken as number %d", priority, n)
		}
	}
}

func TestTheOrderWithinANamespaceIsThatOfArrival(t *testing.T) {
	q := newQueue(t)
	for i := range 100 {
		add(q, first, request("a", i), request("b", i))
	}
	next := map[string]int{}
	for range 200 {
		item := take(q)
		if want := fmt.Sprint(next[item.Namespace]); item.Name != want {
			t.Fatalf("%s: want %s", item, want)
		}
		next[item.Namespace]++
	}
}

func TestWhatIsAskedForGoesBeforeFirstKeys(t *testing.T) {
	q := newQueue(t)
	for i := range 3000 {
		add(q, first, request("busy", i))
		add(q, behind, request("busy", fmt.Sprint("settled", i)))
	}
	add(q, asked, request("busy", "leaked"))
	if n := position(q, request("busy", "leaked")); n > 1 {
		t.Errorf("a rotation is taken as number %d", n)
	}
}

func TestNothingStarves(t *testing.T) {
	q := newQueue(t)
	for i := range 1000 {
		add(q, asked, request("rotates all the time", i))
	}
	add(q, first, request("quiet", "first"))
	add(q, behind, request("quiet", "settled"))
	if n := position(q, request("quiet", "first")); n > 4 {
		t.Errorf("a first key is taken as number %d", n)
	}
	if n := position(q, request("quiet", "settled")); n > 16 {
		t.Errorf("what nothing waits for is taken as number %d", n)
	}
}

func TestWhatIsAddedAgainMovesUpAndNeverDown(t *testing.T) {
	q := newQueue(t)
	for i := range 100 {
		add(q, first, request("a", i))
	}
	add(q, asked, request("a", 99))
	add(q, behind, request("a", 99))
	if got := take(q); got != request("a", 99) {
		t.Errorf("the first is %s", got)
	}
	seen := map[reconcile.Request]bool{}
	for range 99 {
		seen[take(q)] = true
	}
	if len(seen) != 99 || q.Len() != 0 {
		t.Errorf("%d others, %d left", len(seen), q.Len())
	}
}

func TestThePriorityOfWhatIsAddedLaterIsKept(t *testing.T) {
	q := newQueue(t)
	q.AddWithOpts(priorityqueue.AddOpts{Priority: new(asked), After: time.Millisecond}, request("a", "expires"))
	every := time.NewTicker(time.Millisecond)
	defer every.Stop()
	for range every.C {
		if q.Len() > 0 {
			break
		}
	}
	for i := range 100 {
		add(q, first, request("a", i))
	}
	item, priority, _ := q.GetWithPriority()
	if item != request("a", "expires") || priority != asked {
		t.Errorf("%s with priority %d", item, priority)
	}
	q.Forget(item)
	add(q, first, item)
	q.Done(item)
	if n := position(q, request("a", "expires")); n != 101 {
		t.Errorf("once it is forgotten it is taken as number %d", n)
	}
}

func TestAQueueThatShutsDownLeavesWhatIsInIt(t *testing.T) {
	q := controller.NewFairQueue("", controller.NewFailures())
	add(q, first, request("a", 1))
	q.ShutDown()
	if _, _, shutdown := q.GetWithPriority(); !shutdown {
		t.Error("an item is handed out after the end")
	}
}

func TestEveryItemIsTakenAsOftenAsItIsAddedWhileNotWaiting(t *testing.T) {
	q := newQueue(t)
	const workers, items = 8, 5000
	var mu sync.Mutex
	held, taken := map[reconcile.Request]bool{}, map[reconcile.Request]int{}
	var working sync.WaitGroup
	for range workers {
		working.Go(func() {
			for {
				item, _, shutdown := q.GetWithPriority()
				if shutdown {
					return
				}
				mu.Lock()
				if held[item] {
					t.Errorf("%s is held twice", item)
				}
				held[item] = true
				taken[item]++
				mu.Unlock()
				mu.Lock()
				held[item] = false
				mu.Unlock()
				q.Done(item)
			}
		})
	}
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same order each time
	wanted := map[reconcile.Request]bool{}
	for range items {
		item := request(fmt.Sprint("ns-", random.IntN(20)), random.IntN(100))
		wanted[item] = true
		add(q, []int{asked, first, behind}[random.IntN(3)], item)
	}
	deadline := time.Now().Add(time.Minute)
	every := time.NewTicker(time.Millisecond)
	defer every.Stop()
	for range every.C {
		mu.Lock()
		left := len(wanted) - len(taken)
		idle := !slices.Contains(slices.Collect(maps.Values(held)), true)
		mu.Unlock()
		if left == 0 && idle && q.Len() == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d items were never taken, %d are in the queue", left, q.Len())
		}
	}
	q.ShutDown()
	working.Wait()
}
