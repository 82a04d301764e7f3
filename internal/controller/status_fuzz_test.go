// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// odd draws values that a status may or may not hold.
type odd struct{ *rand.Rand }

func (o odd) one(values ...any) any { return values[o.IntN(len(values))] }

// time returns a time, which Go can nearly always parse; one in three is at or beyond a bound.
func (o odd) time() any {
	if o.IntN(3) > 0 {
		return o.one("2026-11-21T00:00:00Z", "2027-01-01T00:00:00+01:00", "2030-06-01T12:00:00.5Z")
	}

	return o.one("9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59Z", "2999-12-31T23:59:59Z", "2999-12-31T23:59:59-00:01", "3000-01-01T00:00:00Z",
		"2000-01-01T00:00:00Z", "2000-01-01T00:00:00+00:01", "1999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "0000-01-01T00:00:00Z",
		"2027-11-21t00:00:00Z", "2027-11-21T00:00:00+99:99", "2027-11-21T00:00:00.123456789-23:59", "2027-11-21T24:00:00Z", "2027-02-29T00:00:00Z", "", nil)
}

// number returns a number that may exceed int64.
func (o odd) number() any {
	return o.one(
		0,
		1,
		7,
		json.Number("9223372036854775807"),
		json.Number("9223372036854775808"),
		json.Number("1e18"),
		json.Number("1e30"),
		json.Number("1.0"),
		-1,
		-2,
	)
}

// status returns a status with some fields set.
func (o odd) status() map[string]any {
	digest := fmt.Sprintf("%043d", o.IntN(1000))
	record := func(n int) map[string]any {
		return map[string]any{
			"id":        fmt.Sprintf("%012d", n),
			"digest":    o.one(digest, fmt.Sprintf("%043d", n)),
			"state":     o.one("Pending", "Active", "Retiring"),
			"createdAt": o.time(),
			"notAfter":  o.time(),
			"rotation": o.one(
				nil,
				nil,
				map[string]any{
					"trigger": o.one("Annotation", "Schedule"),
					"value":   o.one("a", "a,overlap=0s", "ü"),
					"overlap": o.one("0s", "720h", "1d", "000720h0000000m000000000s"),
				},
			),
		}
	}
	fields := map[string]any{
		"observedGeneration": o.number(), "phase": o.one("Pending", "Active", "Suspended", "Expired", "Revoked"),
		"expiresAt": o.time(), "lastUsedAt": o.time(),
		"lastRotation": map[string]any{"trigger": o.one("Created", "Recovered"), "value": o.one("", "a", strings.Repeat("ü", 64)), "at": o.time()},
		"rotateValues": o.one([]any{}, []any{"AbCdEfGhIjKlMnOp", "AbCdEfGhIjKlMnOp"}, []any{"short"}),
		"keys":         []any{record(1), record(2)},
		"secretRef":    o.one(nil, map[string]any{"name": "main-website", "uid": "u", "resourceVersion": o.one("1", "x")}),
		"rateLimit":    map[string]any{"requests": o.number(), "per": o.one("1s", "24h", "25h")},
		"conditions": []any{map[string]any{
			"type": o.one("Ready", "Compliant", "Other"), "status": o.one("True", "False"), "reason": "R", "message": o.one("m", ""),
			"lastTransitionTime": o.time(), "observedGeneration": o.number(),
		}},
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) { // in this order, so that each run draws the same
		if o.IntN(3) > 0 {
			delete(fields, name)
		}
	}

	return fields
}

var _ = Describe("A status that admission accepts", func() {
	It("can be read, written back and reconciled, for every writer", func(ctx context.Context) {
		o := odd{rand.New(rand.NewPCG(5, 6))} //nolint:gosec // the same cases in every run, and no secrets
		accepted, tried := 0, 120
		f := newFixture(ctx)
		for i := range tried {
			f.name.Name = fmt.Sprintf("key-%d", i)
			f.create()
			fields := o.status()
			data, err := json.Marshal(map[string]any{"status": fields})
			Expect(err).NotTo(HaveOccurred())
			forged := f.key()
			err = admin.Status().Patch(ctx, forged, client.RawPatch(types.MergePatchType, data))
			if apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) {
				continue
			}
			Expect(err).NotTo(HaveOccurred(), "%s", data)
			accepted++

			read := f.key()
			read.Status.ObservedGeneration = 2 // something that is written
			Expect(admin.Status().Update(ctx, read)).To(Succeed(), "written back: %s", data)
			f.settle()
			after := f.key()
			Expect(after.Status.ObservedGeneration).To(Equal(after.Generation), "%s", data)
			if after.Status.Phase == v1alpha1.PhaseActive {
				f.expectHealthy()
			}
		}
		Expect(accepted).To(And(BeNumerically(">", tried/5), BeNumerically("<", tried*9/10)), "statuses that are accepted")
	})
})
