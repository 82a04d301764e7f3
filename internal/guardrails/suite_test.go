// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/guardrails"
	"github.com/apikey-operator/apikey-operator/internal/installation"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// inForceTimeout is how long the API server may take to put a policy in force. It looks for new ones each second.
const inForceTimeout = 3 * time.Minute

// Who config/default says the operator and the verifier are.
const (
	operatorUser = "system:serviceaccount:apikey-operator-system:apikey-operator-controller-manager"
	verifierUser = "system:serviceaccount:apikey-operator-system:apikey-operator-verifier"
)

// What all specs share: one control plane with all of config/default applied, and its administrator, who is subject to the
// guardrails as everybody is, but has every right.
var (
	plane *testkit.ControlPlane
	admin client.Client
)

func TestGuardrails(t *testing.T) {
	if testing.Short() {
		t.Skip("these specs need a control plane")
	}
	RegisterFailHandler(Fail)
	log.SetLogger(GinkgoLogr)
	RunSpecs(t, "Guardrails at the API server")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	var err error
	plane, err = testkit.Start(testkit.Options{WithoutCRDs: true})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(plane.Stop()).To(Succeed()) })
	plane.Config.WarningHandler = rest.NoWarnings{}
	admin, err = plane.Client()
	Expect(err).NotTo(HaveOccurred())

	// An upgrade: some APIKeys are there before the guardrails and before the rules of the CRD.
	installLaxCRD(ctx)
	upgraded.prepare(ctx)
	kubectl(ctx, "apply", "--server-side", "-k", filepath.Join(root(), "config", "default"))
	allowProbes(ctx)
	awaitGuardrails(ctx)
	Expect(plane.StartControllerManager(ctx)).To(Succeed())
})

// awaitGuardrails waits until the API server goes by the CRDs and by every guardrail.
func awaitGuardrails(ctx context.Context) {
	GinkgoHelper()
	limited, cancel := context.WithTimeout(ctx, inForceTimeout)
	defer cancel()
	_, err := installation.AwaitGuardrails(limited, plane.Config)
	Expect(err).NotTo(HaveOccurred())
	awaitPolicies(ctx)
	for _, guardrail := range expected() {
		namespace := upgraded.whole[guardrail.Name]
		Eventually(func() error {
			return admin.Create(ctx, newAPIKey(namespace, func(apikey *v1alpha1.APIKey) { apikey.Spec.DisplayName = " " }), client.DryRunAll)
		}).WithTimeout(inForceTimeout).WithPolling(20 * time.Millisecond).Should(MatchError(apierrors.IsInvalid, "invalid"))
		if guardrail.Name == "limits" {
			storeLimitFixtures(ctx, namespace)
		}
		for _, p := range probesOf(guardrail.Name) {
			if p.refused != "" {
				Eventually(func() string { return p.unexpected(ctx, namespace) }).
					WithTimeout(inForceTimeout).WithPolling(20 * time.Millisecond).Should(BeEmpty())
			}
		}
	}
}

// newNamespace makes a namespace with labels, given as names and values in turn.
func newNamespace(ctx context.Context, labels ...string) string {
	GinkgoHelper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "guarded-", Labels: map[string]string{}}}
	for pair := range slices.Chunk(labels, 2) {
		namespace.Labels[pair[0]] = pair[1]
	}
	Expect(admin.Create(ctx, namespace)).To(Succeed())

	return namespace.Name
}

// newAPIKey returns the smallest valid APIKey after some changes.
func newAPIKey(namespace string, changes ...func(*v1alpha1.APIKey)) *v1alpha1.APIKey {
	apikey := &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "key-"},
		Spec:       v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentProduction},
	}
	for _, change := range changes {
		change(apikey)
	}

	return apikey
}

// clients are those that as has made, by user and groups: a new one would ask the API server for its kinds first.
var clients = map[string]client.Client{}

// as is a client of a user. The administrator, and whoever is in the group system:masters, may do everything that the
// guardrails do not refuse.
func as(user string, groups ...string) client.Client {
	GinkgoHelper()
	who := strings.Join(append([]string{user}, groups...), "\n")
	if clients[who] == nil {
		cfg := rest.CopyConfig(plane.Config)
		cfg.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups}
		c, err := client.New(cfg, client.Options{Scheme: admin.Scheme(), Mapper: admin.RESTMapper()})
		Expect(err).NotTo(HaveOccurred())
		clients[who] = c
	}

	return clients[who]
}

// asMaster is a client of a user who has every right there is.
func asMaster(user string) client.Client {
	GinkgoHelper()

	return as(user, "system:masters")
}

// expected are the guardrails as config/default installs them, but for the prefix of their names.
func expected() []guardrails.Guardrail {
	operator, _ := guardrails.ParseUsername(operatorUser)
	verifier, _ := guardrails.ParseUsername(verifierUser)

	return guardrails.All(operator, verifier)
}
