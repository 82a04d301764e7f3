// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails_test

import (
	"errors"
	"math/rand/v2"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// requests are rotate annotations, many of them nearly right.
// dice makes what the API server and the operator are to judge alike.
type dice struct{ *rand.Rand }

// one is one of some values.
func one[T any](d dice, values ...T) T { return values[d.IntN(len(values))] }

// often is true in n of ten cases.
func (d dice) often(n int) bool { return d.IntN(10) < n }

func (d dice) request() string {
	text := one(d, "leak1", "leak 1", "", "2026-11-21", strings.Repeat("n", 300)) +
		one(d, "", ",", ",,", ", ", ",overlap=", ",overlap", ",Overlap=", ",overlap==", "overlap=") +
		one(
			d,
			"",
			"0s",
			"10m",
			"720h",
			"720h1s",
			"43200m",
			"1h30m",
			"-1s",
			"+1s",
			"1.5h",
			"5ms",
			"1d",
			"soon",
			"0",
			"000720h0000000m000000000s",
			"0000720h0000000m000000000s",
			"９s",
			"999999h",
		) +
		one(d, "", "", "", " ", "\n", ",", ",overlap=0s", ",force=true")
	if d.often(2) && text != "" {
		at := d.IntN(len(text))
		text = strings.ToValidUTF8(text[:at]+text[at+1:], "")
	}

	return text
}

var _ = Describe("A rotate annotation", func() {
	const meant = `the annotation apikey-operator.io/rotate is a name without a comma, such as "leak-4711", or such a name and an overlap ` +
		`from 0s to 720h without spaces, such as "leak-4711,overlap=0s"`

	It("is refused exactly where the operator cannot read it, in the same words", func(ctx SpecContext) {
		d := dice{rand.New(rand.NewPCG(3, 4))} //nolint:gosec // the same cases in every run, and no secrets
		namespace := newNamespace(ctx)
		apikey := newAPIKey(namespace)
		Expect(admin.Create(ctx, apikey)).To(Succeed())
		refused, tried := 0, 800
		for i := range tried {
			value := d.request()
			_, unreadable := policy.ParseRotateRequest(value)
			changed := apikey.DeepCopy()
			annotated(value)(changed)
			err := admin.Update(ctx, changed, client.DryRunAll)
			if i%2 == 0 {
				err = admin.Create(ctx, newAPIKey(namespace, annotated(value)), client.DryRunAll)
			}
			if unreadable == nil {
				Expect(err).NotTo(HaveOccurred(), "%q", value)

				continue
			}
			refused++
			Expect(refusalOf(err)).To(Equal(meant), "%q", value)
			Expect(unreadable).To(MatchError(meant))
		}
		Expect(refused).To(BeNumerically("~", tried/2, tried*2/5), "a test of one answer alone shows little")
	})

	It("that was there before is not asked again when something else changes", func(ctx SpecContext) {
		apikey := newAPIKey(upgraded.namespace)
		err := admin.Get(ctx, client.ObjectKey{Namespace: upgraded.namespace, Name: "asks-badly"}, apikey)
		Expect(err).NotTo(HaveOccurred())
		apikey.Spec.DisplayName = "a"
		Expect(admin.Update(ctx, apikey, client.DryRunAll)).To(Succeed())
		apikey.Annotations[v1alpha1.RotateAnnotation] += "!"
		Expect(refusalOf(admin.Update(ctx, apikey.DeepCopy(), client.DryRunAll))).To(Equal(meant))
		delete(apikey.Annotations, v1alpha1.RotateAnnotation)
		Expect(admin.Update(ctx, apikey, client.DryRunAll)).To(Succeed())
	})

	It("is refused before anything else is said about it, for whoever has every right", func(ctx SpecContext) {
		err := asMaster("root").Create(ctx, newAPIKey(newNamespace(ctx), annotated("a, overlap=0s")))
		Expect(apierrors.IsForbidden(err)).To(BeTrue())
		var status apierrors.APIStatus
		Expect(errors.As(err, &status)).To(BeTrue())
		Expect(status.Status().Message).To(ContainSubstring("apikey-operator-grants"))
	})
})
