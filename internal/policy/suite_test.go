// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"context"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/guardrails"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// inForceTimeout is how long the API server may take to put a policy in force. It polls for new ones each second.
const inForceTimeout = 3 * time.Minute

// The specs share one control plane that has the CRDs and the guardrail "limits", and its administrator.
var (
	plane *testkit.ControlPlane
	admin client.Client
)

func TestPolicies(t *testing.T) {
	if testing.Short() {
		t.Skip("these specs need a control plane")
	}
	RegisterFailHandler(Fail)
	log.SetLogger(GinkgoLogr)
	RunSpecs(t, "APIKeyPolicies at the API server")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	var err error
	plane, err = testkit.Start(testkit.Options{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(plane.Stop()).To(Succeed()) })
	plane.Config.WarningHandler = rest.NoWarnings{}
	admin, err = plane.Client()
	Expect(err).NotTo(HaveOccurred())
	all := guardrails.All(guardrails.ServiceAccount{}, guardrails.ServiceAccount{})
	limits := all[slices.IndexFunc(all, func(g guardrails.Guardrail) bool { return g.Name == "limits" })]
	Expect(admin.Create(ctx, limits.Policy)).To(Succeed())
	Expect(admin.Create(ctx, limits.Binding)).To(Succeed())
	awaitPolicies(ctx)
})

// newNamespace creates a namespace with labels, given as names and values in turn.
func newNamespace(ctx context.Context, labels ...string) string {
	GinkgoHelper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "limited-", Labels: map[string]string{}}}
	for pair := range slices.Chunk(labels, 2) {
		namespace.Labels[pair[0]] = pair[1]
	}
	Expect(admin.Create(ctx, namespace)).To(Succeed())

	return namespace.Name
}

// asMaster returns a client of a user who has every right.
func asMaster(user string) client.Client {
	GinkgoHelper()
	config := rest.CopyConfig(plane.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:masters"}}
	c, err := client.New(config, client.Options{Scheme: admin.Scheme(), Mapper: admin.RESTMapper()})
	Expect(err).NotTo(HaveOccurred())

	return c
}

// newAPIKey returns the smallest valid APIKey, for Production.
func newAPIKey(namespace string) *v1alpha1.APIKey {
	return &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "key-"},
		Spec:       v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentProduction},
	}
}
