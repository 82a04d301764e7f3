// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"fmt"
	"sync"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// makers make APIKeys in a namespace, several at a time, until they are stopped.
type makers struct {
	fixture *fixture
	running sync.WaitGroup
	stopped atomic.Bool
	deleted atomic.Bool

	mu            sync.Mutex
	before, after []*fixture
}

// makeKeys starts makers.
func (f *fixture) makeKeys(name string) *makers {
	m := &makers{fixture: f}
	DeferCleanup(m.stop)
	for maker := range 4 {
		m.running.Go(func() {
			for i := 0; !m.stopped.Load(); i++ {
				m.make(fmt.Sprintf("%s-%d-%d", name, maker, i))
			}
		})
	}

	return m
}

// make makes an APIKey. It counts as made after the deletion when it was begun after the deletion was answered.
func (m *makers) make(name string) {
	g := &fixture{ctx: m.fixture.ctx, clock: m.fixture.clock, name: client.ObjectKey{Namespace: m.fixture.name.Namespace, Name: name}}
	after := m.deleted.Load()
	if err := admin.Create(g.ctx, g.minimal()); err != nil {
		return // refused, which is as good
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if after {
		m.after = append(m.after, g)
	} else {
		m.before = append(m.before, g)
	}
}

// await waits until so many more APIKeys have been made.
func (m *makers) await(more int) {
	GinkgoHelper()
	count := func() int { return len(m.all()) }
	Eventually(count).WithTimeout(patience).Should(BeNumerically(">=", count()+more))
}

// mark says that the deletion was answered.
func (m *makers) mark() { m.deleted.Store(true) }

func (m *makers) stop() {
	m.stopped.Store(true)
	m.running.Wait()
}

func (m *makers) afterMark() []*fixture {
	m.mu.Lock()
	defer m.mu.Unlock()

	return append([]*fixture(nil), m.after...)
}

func (m *makers) all() []*fixture {
	m.mu.Lock()
	defer m.mu.Unlock()

	return append(append([]*fixture(nil), m.before...), m.after...)
}
