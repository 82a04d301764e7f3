// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

func TestController(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Controller")
}

// What all specs share: one control plane, an administrator's client, what was handed out, and what was logged.
var (
	plane    *testkit.ControlPlane
	admin    client.Client
	handouts *testkit.Handouts
	logged   = &transcript{}
)

var _ = BeforeSuite(func() {
	// The highest verbosity that there is, so that the search for plaintext sees what any flag could switch on.
	log := funcr.New(logged.line, funcr.Options{Verbosity: 100})
	ctrl.SetLogger(log)
	klog.SetLoggerWithOptions(log, klog.ContextualLogger(true))

	var err error
	plane, err = testkit.Start(testkit.Options{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(plane.Stop()).To(Succeed()) })
	admin, err = plane.Client()
	Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.Background())
	DeferCleanup(cancel)
	handouts, err = plane.WatchHandouts(ctx)
	Expect(err).NotTo(HaveOccurred())
})

// transcript is everything that was logged, in pieces of whole lines. To move hundreds of mebibytes whenever it grows takes the race detector
// longer than anything else that the specs do.
type transcript struct {
	mu     sync.Mutex
	pieces [][]byte
}

// pieceSize is the size of a piece, unless one line is larger.
const pieceSize = 1 << 20

func (t *transcript) line(prefix, args string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	needed := len(prefix) + len(args) + 2
	last := len(t.pieces) - 1
	if last < 0 || cap(t.pieces[last])-len(t.pieces[last]) < needed {
		t.pieces = append(t.pieces, make([]byte, 0, max(pieceSize, needed)))
		last++
	}
	t.pieces[last] = append(append(append(append(t.pieces[last], prefix...), ' '), args...), '\n')
}

// all returns what was logged so far. A piece that grows meanwhile does so behind what is returned of it.
func (t *transcript) all() [][]byte {
	t.mu.Lock()
	defer t.mu.Unlock()

	return slices.Clone(t.pieces)
}

func (t *transcript) contains(text string) bool {
	return slices.ContainsFunc(t.all(), func(piece []byte) bool { return bytes.Contains(piece, []byte(text)) })
}

// ctrlLog is the logger of specs.
func ctrlLog() logr.Logger { return ctrl.Log.WithName("spec") }
