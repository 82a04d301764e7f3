// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// What all specs of this package share: one API server. Each spec gets a namespace of its own.
var (
	plane      *testkit.ControlPlane
	typed      client.Client     // for the kinds of Kubernetes and of this project
	untyped    dynamic.Interface // for what no Go type can hold
	extensions client.Client     // for CustomResourceDefinitions
	namespace  string
)

func TestAdmission(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "The APIKey at the API server")
}

var _ = BeforeSuite(func() {
	var err error
	plane, err = testkit.Start(testkit.Options{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(plane.Stop()).To(Succeed()) })

	typed, err = plane.Client()
	Expect(err).NotTo(HaveOccurred())
	quiet := rest.CopyConfig(plane.Config)
	quiet.WarningHandler = rest.NoWarnings{} // the API server warns of what it lets pass because it has not changed
	untyped, err = dynamic.NewForConfig(quiet)
	Expect(err).NotTo(HaveOccurred())
	scheme := runtime.NewScheme()
	Expect(apiextensionsv1.AddToScheme(scheme)).To(Succeed())
	extensions, err = client.New(plane.Config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
})

var _ = BeforeEach(func(ctx SpecContext) {
	space := &corev1.Namespace{}
	space.GenerateName = "admission-"
	Expect(typed.Create(ctx, space)).To(Succeed())
	namespace = space.Name
})
