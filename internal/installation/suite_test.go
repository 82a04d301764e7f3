// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package installation_test

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// patience is how long an API server may take on a loaded machine.
const patience = 5 * time.Minute

func TestInstallation(t *testing.T) {
	log.SetLogger(GinkgoLogr)
	RegisterFailHandler(Fail)
	RunSpecs(t, "Installation")
}

// What all specs share: an API server, its administrator, and what config/default installs on it.
var (
	plane *testkit.ControlPlane
	admin client.Client
	all   []*unstructured.Unstructured
)

var _ = BeforeSuite(func(ctx SpecContext) {
	var err error
	plane, err = testkit.StartContext(ctx, testkit.Options{WithoutCRDs: true})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(plane.Stop()).To(Succeed()) })
	admin, err = plane.Client()
	Expect(err).NotTo(HaveOccurred())
	root, err := testkit.Root()
	Expect(err).NotTo(HaveOccurred())
	rendered, err := exec.CommandContext(ctx, plane.Program("kubectl"), "kustomize", filepath.Join(root, "config", "default")).Output()
	Expect(err).NotTo(HaveOccurred())
	for document := range bytes.SplitSeq(rendered, []byte("\n---\n")) {
		object := &unstructured.Unstructured{}
		Expect(yaml.Unmarshal(document, object)).To(Succeed())
		all = append(all, object)
	}
	create(ctx, parts("Namespace", "ServiceAccount", "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")...)
}, NodeTimeout(patience))

// parts are copies of the installed objects of some kinds.
func parts(kinds ...string) []*unstructured.Unstructured {
	var found []*unstructured.Unstructured
	for _, object := range all {
		if slices.Contains(kinds, object.GetKind()) {
			found = append(found, object.DeepCopy())
		}
	}

	return found
}

func policies() []*unstructured.Unstructured {
	return parts("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
}

func crds() []*unstructured.Unstructured { return parts("CustomResourceDefinition") }

// crdOf is the CRD of a kind.
func crdOf(kind string) *unstructured.Unstructured {
	GinkgoHelper()
	for _, crd := range crds() {
		if found, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "kind"); found == kind {
			return crd
		}
	}
	Fail("there is no CRD of " + kind)

	return nil
}

// create makes objects that may be there.
func create(ctx context.Context, objects ...*unstructured.Unstructured) {
	GinkgoHelper()
	for _, object := range objects {
		Expect(client.IgnoreAlreadyExists(admin.Create(ctx, object.DeepCopy()))).To(Succeed(), object.GetName())
	}
}

// destroy deletes objects and waits until they are gone.
func destroy(ctx context.Context, objects ...*unstructured.Unstructured) {
	GinkgoHelper()
	for _, object := range objects {
		Expect(client.IgnoreNotFound(admin.Delete(ctx, object))).To(Succeed(), object.GetName())
	}
	for _, object := range objects {
		Eventually(func() error {
			return admin.Get(ctx, client.ObjectKeyFromObject(object), object.DeepCopy())
		}).WithContext(ctx).WithTimeout(patience).Should(MatchError(apierrors.IsNotFound, "not found"), object.GetName())
	}
}

// leftovers are the names of temporary objects that are still there.
func leftovers(ctx context.Context) []string {
	GinkgoHelper()
	var names []string
	for _, kind := range []schema.GroupVersionKind{
		v1alpha1.GroupVersion.WithKind("APIKeyList"), v1alpha1.GroupVersion.WithKind("APIKeyPolicyList"),
		{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "RoleList"},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "RoleBindingList"},
		{Version: "v1", Kind: "SecretList"},
	} {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind)
		if err := admin.List(ctx, list); err != nil {
			continue // a spec without its CRD
		}
		for _, item := range list.Items {
			if strings.Contains(item.GetName(), "guardrail-probe") {
				names = append(names, kind.Kind+" "+item.GetName())
			}
		}
	}

	return names
}

// binding is that of a guardrail, as it stands.
func binding(ctx context.Context, guardrail string) *admissionv1.ValidatingAdmissionPolicyBinding {
	GinkgoHelper()
	list := &admissionv1.ValidatingAdmissionPolicyBindingList{}
	Expect(admin.List(ctx, list, client.MatchingLabels{v1alpha1.GroupName + "/guardrail": guardrail})).To(Succeed())
	Expect(list.Items).To(HaveLen(1), guardrail)

	return &list.Items[0]
}
