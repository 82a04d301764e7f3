// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/controller"
	"github.com/apikey-operator/apikey-operator/internal/guardrails"
	"github.com/apikey-operator/apikey-operator/internal/installation"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// operatorUser is who config/default says the operator is.
const operatorUser = "system:serviceaccount:apikey-operator-system:apikey-operator-controller-manager"

// site is the cluster with config/default installed, but for what needs nodes.
type site struct {
	// operator is what the operator connects with: as its service account, with the rights of the manifests.
	operator *rest.Config
	objects  []*unstructured.Unstructured
}

// installed makes the specs of a container run with the guardrails in force. The container must be Ordered and Serial:
// the guardrails would refuse what other specs do.
func installed() *site {
	s := &site{}
	BeforeAll(func(ctx SpecContext) {
		s.render(ctx)
		for _, object := range s.objects {
			err := admin.Create(ctx, object.DeepCopy())
			Expect(client.IgnoreAlreadyExists(err)).To(Succeed(), object.GetName())
		}
		var err error
		s.operator, err = plane.User(operatorUser, "system:serviceaccounts", "system:serviceaccounts:apikey-operator-system")
		Expect(err).NotTo(HaveOccurred())
		limited, cancel := context.WithTimeout(ctx, installation.Limit)
		defer cancel()
		_, err = installation.AwaitGuardrails(limited, plane.Config)
		Expect(err).NotTo(HaveOccurred())
	})
	AfterAll(func(ctx SpecContext) {
		for _, object := range slices.Backward(s.objects) {
			if object.GetKind() == "Namespace" {
				continue // without a controller manager it would never be gone, and not come back
			}
			Expect(client.IgnoreNotFound(admin.Delete(ctx, object))).To(Succeed(), object.GetName())
		}
		limited, cancel := context.WithTimeout(ctx, installation.Limit)
		defer cancel()
		Expect(installation.AwaitRemoval(limited, plane.Config)).To(Succeed(), "other specs need a cluster without guardrails")
	})

	return s
}

// render reads what kubectl would apply. The CRDs are there already.
func (s *site) render(ctx context.Context) {
	GinkgoHelper()
	root, err := testkit.Root()
	Expect(err).NotTo(HaveOccurred())
	rendered, err := exec.CommandContext(ctx, plane.Program("kubectl"), "kustomize", filepath.Join(root, "config", "default")).Output()
	Expect(err).NotTo(HaveOccurred())
	for document := range bytes.SplitSeq(rendered, []byte("\n---\n")) {
		object := &unstructured.Unstructured{}
		Expect(yaml.Unmarshal(document, object)).To(Succeed())
		switch object.GroupVersionKind().Group {
		case "", "rbac.authorization.k8s.io", admissionv1.GroupName:
			s.objects = append(s.objects, object)
		}
	}
}

// start runs an operator that requires guardrails, for the namespace of a fixture.
func (s *site) start(f *fixture, changes ...func(*ctrl.Options)) *operator {
	GinkgoHelper()
	o := &operator{wire: testkit.NewWire(testkit.Cut{}), guarded: true}
	o.start(s.operator, f, changes...)

	return o
}

// reconciler is an operator that has just started and requires guardrails.
func (s *site) reconciler(f *fixture, wire *testkit.Wire) *controller.Reconciler {
	GinkgoHelper()
	r := f.reconcilerFor(wire.Attach(s.operator))
	r.APIKeys = cached{Client: r.APIKeys}
	r.Metadata, r.Policies = admin, admin
	r.Guardrails = controller.NewGuardrailMonitor(r.Policies, func(context.Context) (string, error) { return operatorUser, nil }, ctrl.Log)

	return r
}

// cached writes as the operator and reads as its cache does, which lists and watches: it may not get an APIKey.
type cached struct{ client.Client }

// Get implements client.Reader.
func (cached) Get(ctx context.Context, name client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	return admin.Get(ctx, name, obj, opts...)
}

// settle lets such an operator work until it has nothing left to write.
func (s *site) settle(f *fixture) ctrl.Result {
	GinkgoHelper()
	wire := testkit.NewWire(testkit.Cut{})

	return f.settleReconciler(s.reconciler(f, wire), wire)
}

// policy and binding are those of a guardrail, as they stand.
func (s *site) policy(ctx context.Context, name string) *admissionv1.ValidatingAdmissionPolicy {
	GinkgoHelper()
	list := &admissionv1.ValidatingAdmissionPolicyList{}
	Expect(admin.List(ctx, list, client.MatchingLabels{guardrails.Label: name})).To(Succeed())
	Expect(list.Items).To(HaveLen(1), name)

	return &list.Items[0]
}

func (s *site) binding(ctx context.Context, name string) *admissionv1.ValidatingAdmissionPolicyBinding {
	GinkgoHelper()
	list := &admissionv1.ValidatingAdmissionPolicyBindingList{}
	Expect(admin.List(ctx, list, client.MatchingLabels{guardrails.Label: name})).To(Succeed())
	Expect(list.Items).To(HaveLen(1), name)

	return &list.Items[0]
}

// without deletes an object of the guardrails and returns what puts it back. A spec that fails puts it back, too.
func without(ctx context.Context, object client.Object) (back func(context.Context)) {
	GinkgoHelper()
	again, ok := object.DeepCopyObject().(client.Object)
	Expect(ok).To(BeTrue())
	again.SetResourceVersion("")
	again.SetUID("")
	Expect(admin.Delete(ctx, object)).To(Succeed())

	return restorer(func(ctx context.Context) error { return admin.Create(ctx, again) })
}

// altered changes an object of the guardrails and returns what changes it back.
func altered[T client.Object](ctx context.Context, object T, change func(T)) (back func(context.Context)) {
	GinkgoHelper()
	before, ok := object.DeepCopyObject().(T)
	Expect(ok).To(BeTrue())
	change(object)
	Expect(admin.Update(ctx, object)).To(Succeed())

	return restorer(func(ctx context.Context) error {
		before.SetResourceVersion(object.GetResourceVersion())

		return admin.Update(ctx, before)
	})
}

// restorer runs once: when it is called, or when the spec ends.
func restorer(restore func(context.Context) error) func(context.Context) {
	done := false
	once := func(ctx context.Context) {
		if !done {
			done = true
			Expect(restore(ctx)).To(Succeed())
		}
	}
	DeferCleanup(once)

	return once
}

// heldBack waits until the operator has reported why it does not mint, and checks that it did not.
func (f *fixture) heldBack(reason string, messages ...string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		ready := condition(f.key(), v1alpha1.ConditionReady)
		g.Expect(ready).NotTo(BeNil())
		g.Expect(ready).To(And(HaveField("Status", metav1.ConditionFalse), HaveField("Reason", reason)))
		for _, message := range messages {
			g.Expect(ready.Message).To(ContainSubstring(message))
		}
	}).WithTimeout(patience).WithPolling(5 * time.Millisecond).Should(Succeed())
	apikey := f.key()
	Expect(apikey.Status.Phase).To(Equal(v1alpha1.PhasePending))
	Expect(apikey.Status.Keys).To(BeEmpty())
	Expect(condition(apikey, v1alpha1.ConditionStalled)).To(HaveField("Reason", reason))
	Expect(f.secret()).To(BeNil())
}
