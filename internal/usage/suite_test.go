// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package usage_test

import (
	"context"
	"testing"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

func TestUsage(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Usage")
}

// What all specs share: one control plane, an administrator's client, and the configuration of a verifier,
// which has the right to patch apikeys/status and no other.
var (
	plane    *testkit.ControlPlane
	admin    client.WithWatch
	verifier *rest.Config
)

const verifierUser = "system:serviceaccount:apikey-operator-system:verifier"

var _ = BeforeSuite(func(ctx context.Context) {
	ctrl.SetLogger(logr.Discard())
	var err error
	plane, err = testkit.Start(testkit.Options{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(plane.Stop()).To(Succeed()) })
	admin, err = client.NewWithWatch(plane.Config, client.Options{Scheme: testkit.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	verifier, err = plane.User(verifierUser)
	Expect(err).NotTo(HaveOccurred())

	name := metav1.ObjectMeta{Name: "verifier"}
	Expect(admin.Create(ctx, &rbacv1.ClusterRole{ObjectMeta: name, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{v1alpha1.GroupName}, Resources: []string{"apikeys/status"}, Verbs: []string{"patch"}},
	}})).To(Succeed())
	Expect(admin.Create(ctx, bindingOf(verifierUser))).To(Succeed())
})

// bindingOf gives a user the rights of a verifier.
func bindingOf(user string) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "verifier-"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "verifier"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}
}
