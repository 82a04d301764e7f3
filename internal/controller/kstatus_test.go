// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// kstatus returns how Flux, kpt and others read the state of an APIKey.
func kstatus(object *unstructured.Unstructured) status.Status {
	GinkgoHelper()
	result, err := status.Compute(object)
	Expect(err).NotTo(HaveOccurred())

	return result.Status
}

// unstructured returns the APIKey as clients see it that do not know its type.
func (f *fixture) unstructured() *unstructured.Unstructured {
	GinkgoHelper()
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("APIKey"))
	Expect(admin.Get(f.ctx, f.name, object)).To(Succeed())

	return object
}

// argoHealth returns the health in Argo CD that stands for a state of kstatus.
func argoHealth(state status.Status, phase string) string {
	switch {
	case state == status.FailedStatus:
		return "Degraded"
	case state != status.CurrentStatus:
		return "Progressing"
	case phase == string(v1alpha1.PhaseSuspended):
		return "Suspended"
	default:
		return "Healthy"
	}
}

var _ = DescribeTable("kstatus and Argo CD read an APIKey", func(ctx context.Context, want status.Status, prepare func(*fixture)) {
	f := newFixture(ctx)
	prepare(f)
	object := f.unstructured()
	Expect(kstatus(object)).To(Equal(want))
	phase, _, err := unstructured.NestedString(object.Object, "status", "phase")
	Expect(err).NotTo(HaveOccurred())
	health, message := newArgoCD().healthOf(object)
	Expect(health).To(Equal(argoHealth(want, phase)), message)
	Expect(message).NotTo(BeEmpty())
},
	Entry("that no operator has seen yet: in progress", status.InProgressStatus, func(f *fixture) { f.create() }),
	Entry("that is being minted: in progress", status.InProgressStatus, func(f *fixture) {
		f.create()
		_, _ = f.pass(f.reconciler(testkit.NewWire(testkit.Cut{Write: 2, Forever: true})))
	}),
	Entry("that is active: current", status.CurrentStatus, func(f *fixture) { f.create(); f.settle() }),
	Entry("whose spec has changed since: in progress", status.InProgressStatus, func(f *fixture) {
		f.create()
		f.settle()
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.DisplayName = "another" })
	}),
	Entry("whose display name was taken note of: current", status.CurrentStatus, func(f *fixture) {
		f.create()
		f.settle()
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.DisplayName = "another" })
		f.settle()
	}),
	Entry("that is being rotated: in progress", status.InProgressStatus, func(f *fixture) {
		f.create()
		f.settle()
		f.rotate("now")
		_, _ = f.pass(f.reconciler(testkit.NewWire(testkit.Cut{Write: 2, Forever: true})))
	}),
	Entry("that is suspended: current", status.CurrentStatus, func(f *fixture) {
		f.create(func(k *v1alpha1.APIKey) { k.Spec.Suspend = true })
		f.settle()
	}),
	Entry("that is revoked: current", status.CurrentStatus, func(f *fixture) {
		f.create()
		f.settle()
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.Revoked = true })
		f.settle()
	}),
	Entry("that expires soon: current", status.CurrentStatus, func(f *fixture) {
		f.create(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "48h" })
		f.settle()
		f.before(oneDay)
		f.settle()
		f.expectWarnings(1, true)
	}),
	Entry("that expires soon and is suspended: current", status.CurrentStatus, func(f *fixture) {
		f.create(func(k *v1alpha1.APIKey) { k.Spec.ValidFor, k.Spec.Suspend = "48h", true })
		f.settle()
		f.before(oneDay)
		f.settle()
		f.expectWarnings(1, true)
	}),
	Entry("that has expired: failed", status.FailedStatus, func(f *fixture) {
		f.create(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "1h" })
		f.settle()
		f.clock.SetTime(f.key().Status.ExpiresAt.Time)
		f.settle()
	}),
	Entry("that awaits its claim: current", status.CurrentStatus, func(f *fixture) { f.create(once); f.settle() }),
	Entry("that is being claimed: in progress", status.InProgressStatus, func(f *fixture) {
		f.create(once)
		f.settle()
		f.claim(idOf(f.value()))
		_, _ = f.pass(f.reconciler(testkit.NewWire(testkit.Cut{Write: 2, Forever: true})))
	}),
	Entry("that was claimed: current", status.CurrentStatus, func(f *fixture) { f.deliver() }),
	Entry("that was not claimed: failed", status.FailedStatus, func(f *fixture) {
		f.create(once)
		f.settle()
		f.advance(v1alpha1.ClaimBeforeDefault)
		f.settle()
	}),
	Entry("whose Secret belongs to another program: failed", status.FailedStatus, func(f *fixture) {
		f.foreign("Opaque")
		f.create()
		f.settle()
	}),
	Entry("that has a key and no longer meets an APIKeyPolicy: current, because the key works", status.CurrentStatus, func(f *fixture) {
		f.create()
		f.settle()
		f.policy("stricter", `environments: [Staging]`)
		f.settle()
		Expect(f.compliant()).To(Equal("False"))
	}),
	Entry("whose Secret waits for a finalizer: failed", status.FailedStatus, func(f *fixture) {
		f.create()
		f.settle()
		f.holdSecret()
		f.settle()
	}),
	Entry("that is revoked and whose Secret waits for a finalizer: in progress", status.InProgressStatus, func(f *fixture) {
		f.create()
		f.settle()
		f.holdSecret()
		f.edit(func(k *v1alpha1.APIKey) { k.Spec.Revoked = true })
		f.settle()
	}),
	Entry("whose Secret the API server refuses: in progress, because the operator retries", status.InProgressStatus, func(f *fixture) {
		f.create()
		_, _ = f.pass(f.reconcilerWith(true, "get"))
	}),
	Entry("that is being deleted: terminating", status.TerminatingStatus, func(f *fixture) {
		f.create(func(k *v1alpha1.APIKey) { k.Finalizers = []string{"example.com/hold"} })
		f.settle()
		Expect(admin.Delete(f.ctx, f.key())).To(Succeed())
	}),
)
