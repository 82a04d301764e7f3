// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
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

// transcript is everything that was logged.
type transcript struct {
	mu   sync.Mutex
	text []byte
}

func (t *transcript) line(prefix, args string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(append(append(t.text, prefix...), ' '), args...)
	t.text = append(t.text, '\n')
}

func (t *transcript) all() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()

	return append([]byte(nil), t.text...)
}

// ctrlLog is the logger of specs.
func ctrlLog() logr.Logger { return ctrl.Log.WithName("spec") }
