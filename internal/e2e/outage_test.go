//go:build e2e

// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

const (
	// recoveryLimit is how long after the return of the API server everything works as before.
	recoveryLimit = 5 * time.Second

	shortestOutage = 3 * time.Second
	longestOutage  = 60 * time.Second

	// acceptanceLimit is how long an API server that is ready may refuse every change of an APIKey. If its guardrails looked for the kind of
	// their parameters before its CRDs were served, Kubernetes looks again after 30 seconds. That happened on busy cores.
	acceptanceLimit = 35 * time.Second
	// outagesVariable sets how many outages are tried, evenly from the shortest to the longest.
	outagesVariable = "E2E_OUTAGES"
	defaultOutages  = 3
)

// outages returns how long the API server is away each time.
func outages() []time.Duration {
	count, err := strconv.Atoi(os.Getenv(outagesVariable))
	if err != nil || count < 2 {
		count = defaultOutages
	}
	lengths := make([]time.Duration, count)
	for i := range lengths {
		lengths[i] = shortestOutage + (longestOutage-shortestOutage)*time.Duration(i)/time.Duration(count-1)
	}

	return lengths
}

// outageSpecs stop the API server.
func outageSpecs() {
	It("works again seconds after the API server returns", func(ctx context.Context) {
		lengths := outages()
		required := "≤ 5 s"
		after := fmt.Sprintf(" after the return of the API server, longest of %d outages of 3 to 60 s", len(lengths))
		rotation := requirement("rotation without overlap"+after, required)
		deletion := requirement("deletion of a revoked key's Secret"+after, required)
		refusal := requirement("revocation at every verifier"+after, required)
		acceptance := requirement("first change of an APIKey accepted after /readyz of the API server, longest of these", "≤ 35 s (Kubernetes alone)")
		install(ctx)
		startAsker(ctx)
		var rotated, deleted, refused, accepted time.Duration
		for _, length := range lengths {
			o := newOutage(ctx)
			o.happen(ctx, length)
			o.observe(ctx)
			GinkgoWriter.Printf("outage of %s: accepted %s, rotated %s, deleted %s, refused %s\n", length, o.accepted, o.rotated, o.deleted, o.refused)
			rotated, deleted, refused = max(rotated, o.rotated), max(deleted, o.deleted), max(refused, o.refused)
			accepted = max(accepted, o.accepted)
		}
		for _, figure := range []struct {
			*row
			took time.Duration
		}{{rotation, rotated}, {deletion, deleted}, {refusal, refused}} {
			figure.note(figure.took, recoveryLimit)
		}
		acceptance.within(accepted, acceptanceLimit)
		Expect(max(rotated, deleted, refused)).To(BeNumerically("<=", recoveryLimit))
	}, SpecTimeout(20*time.Minute))
}

// outage is one time without an API server, and what followed.
type outage struct {
	kept, revoked string // APIKeys
	key           string // of the revoked one
	ready         time.Time
	back          time.Time // when it took the first change of an APIKey, which no program of ours has a part in

	accepted, rotated, deleted, refused time.Duration
}

// newOutage mints the keys of an outage.
func newOutage(ctx context.Context) *outage {
	GinkgoHelper()
	o := &outage{kept: fresh("kept"), revoked: fresh("revoked")}
	deleteAll(ctx, &v1alpha1.APIKey{})
	mintNamed(ctx, o.kept)
	mintNamed(ctx, o.revoked)
	o.key = keyOf(ctx, o.revoked)
	for _, pod := range pods(ctx, verifierComponent) {
		Eventually(ask).WithContext(ctx).WithArguments(pod, o.key).Should(Equal(http.StatusOK))
	}

	return o
}

// happen stops the API server for some time and waits until it is back.
func (o *outage) happen(ctx context.Context, length time.Duration) {
	GinkgoHelper()
	fault(ctx, "apiserver-down")
	DeferCleanup(func(ctx context.Context) { fault(ctx, "apiserver-up") }, NodeTimeout(patience))
	away := time.NewTimer(length)
	defer away.Stop()
	select {
	case <-away.C:
	case <-ctx.Done():
		Fail("the spec ended during an outage")
	}
	fault(ctx, "apiserver-up")
	Eventually(func() error {
		return core.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	}).WithContext(ctx).Should(Succeed())
	o.ready = time.Now()
}

// observe rotates one key and revokes the other, and measures how long each effect takes.
func (o *outage) observe(ctx context.Context) {
	GinkgoHelper()
	Eventually(func() error {
		o.back = time.Now()

		return tryPatch(ctx, o.kept, rotatePatch("outage"))
	}).WithContext(ctx).Should(Succeed())
	o.accepted = o.back.Sub(o.ready)
	Eventually(tryPatch).WithContext(ctx).WithArguments(o.revoked, `{"spec":{"revoked":true}}`).Should(Succeed())
	verifiers := pods(ctx, verifierComponent)
	Expect(verifiers).NotTo(BeEmpty())
	Eventually(func() bool {
		o.note(&o.rotated, rotatedBy(ctx, o.kept, "outage"))
		o.note(&o.deleted, secretGone(ctx, o.revoked))
		refused := true
		for _, pod := range verifiers {
			refused = refused && ask(ctx, pod, o.key) == http.StatusUnauthorized
		}
		o.note(&o.refused, refused)

		return o.rotated > 0 && o.deleted > 0 && o.refused > 0
	}).WithContext(ctx).Should(BeTrue())
}

// note sets a figure when its effect is seen for the first time.
func (o *outage) note(figure *time.Duration, seen bool) {
	if *figure == 0 && seen {
		*figure = time.Since(o.back)
	}
}

// secretGone reports whether the Secret of an APIKey was deleted.
func secretGone(ctx context.Context, name string) bool {
	return apierrors.IsNotFound(admin.Get(ctx, client.ObjectKey{Namespace: keysNamespace, Name: name}, &corev1.Secret{}))
}
