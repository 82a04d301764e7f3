//go:build e2e

// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

const (
	// patience bounds every step that no requirement gives a limit for. A wait inside a spec ends with the spec.
	patience = 3 * time.Minute
	// poll is the pause between two looks, and so the precision of every figure.
	poll = 50 * time.Millisecond
	// requestLimit bounds a request to the API server, which may be away.
	requestLimit = 10 * time.Second
)

// What all specs share.
var (
	config *rest.Config
	admin  client.WithWatch
	core   kubernetes.Interface
	root   string
	// pristine is the inventory of the cluster before the first installation.
	pristine []string
)

func TestEndToEnd(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "End to end")
}

var _ = BeforeSuite(func(ctx context.Context) {
	ctrl.SetLogger(logr.Discard())
	SetDefaultEventuallyTimeout(patience)
	SetDefaultEventuallyPollingInterval(poll)
	var err error
	root, err = testkit.Root()
	Expect(err).NotTo(HaveOccurred())
	config, err = clientcmd.BuildConfigFromFlags("", os.Getenv(clientcmd.RecommendedConfigPathEnvVar))
	Expect(err).NotTo(HaveOccurred(), "KUBECONFIG must name the cluster that the tests may take")
	config.QPS, config.Burst, config.Timeout = -1, -1, requestLimit
	admin, err = client.NewWithWatch(config, client.Options{Scheme: testkit.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	core, err = kubernetes.NewForConfig(config)
	Expect(err).NotTo(HaveOccurred())
	Expect(readyNodes(ctx)).To(HaveLen(len(nodes(ctx))), "every node of the cluster must be ready")
	remove(ctx)
	makeNamespace(ctx, keysNamespace)
	pristine = inventory(ctx)
}, NodeTimeout(2*patience))

// The groups run one after another, because each of them takes the whole cluster. A group takes over what the one before it has left, if that
// serves. The outages come last: for a minute after them, Kubernetes suspects nodes and its controllers wait before they work again.
var _ = Describe("an installation", Ordered, ContinueOnFailure, func() {
	Context("upgrade", upgradeSpecs)
	Context("node loss", nodeLossSpecs)
	Context("rotation under load", rotationSpecs)
	Context("redeploy", redeploySpecs)
	Context("removal", removalSpecs)
	Context("Helm", helmSpecs)
	Context("overlay", overlaySpecs)
	Context("namespaces", namespacesSpecs)
	Context("install", installSpecs)
	Context("certificate", certificateSpecs)
	Context("rights", rightsSpecs)
	Context("watches", watchSpecs)
	Context("API server", outageSpecs)
})

// artefact returns the path of a file that hack/e2e/run.sh has built.
func artefact(elements ...string) string {
	return filepath.Join(append([]string{root, "bin", "e2e"}, elements...)...)
}
