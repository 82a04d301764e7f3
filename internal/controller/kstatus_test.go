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

// kstatus is how Flux, kpt and others read the state of the APIKey.
func (f *fixture) kstatus() status.Status {
	GinkgoHelper()
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("APIKey"))
	Expect(admin.Get(f.ctx, f.name, object)).To(Succeed())
	result, err := status.Compute(object)
	Expect(err).NotTo(HaveOccurred())

	return result.Status
}

var _ = DescribeTable("kstatus reads an APIKey", func(ctx context.Context, want status.Status, prepare func(*fixture)) {
	f := newFixture(ctx)
	prepare(f)
	Expect(f.kstatus()).To(Equal(want))
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
	Entry("that has expired: failed", status.FailedStatus, func(f *fixture) {
		f.create(func(k *v1alpha1.APIKey) { k.Spec.ValidFor = "1h" })
		f.settle()
		f.clock.SetTime(f.key().Status.ExpiresAt.Time)
		f.settle()
	}),
	Entry("whose Secret belongs to another program: failed", status.FailedStatus, func(f *fixture) {
		f.foreign("Opaque")
		f.create()
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
