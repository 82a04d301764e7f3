// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/apikey-operator/apikey-operator/internal/manager"
)

// TestLeaseTimesOfTheChartAreTheDefaults compares the times in values.yaml with those that the operator takes without flags: the chart gives
// it no flag for them.
func TestLeaseTimesOfTheChartAreTheDefaults(t *testing.T) {
	values, _, err := unstructured.NestedMap(read(t, folder(t, "config", "chart", "values.yaml")), "manager")
	if err != nil {
		t.Fatal(err)
	}
	without, err := manager.Parse(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	with, err := manager.Parse([]string{
		fmt.Sprintf("--leader-elect-lease-duration=%v", values["leaseDuration"]),
		fmt.Sprintf("--leader-elect-renew-deadline=%v", values["renewDeadline"]),
		fmt.Sprintf("--leader-elect-retry-period=%v", values["retryPeriod"]),
	}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(without, with) {
		t.Errorf("the operator has %+v, and the values %+v", without, with)
	}
}

// TestLeaseTimesAgreeWithTheOperator renders times at the edges of their ranges. The chart renders them if and only if the operator takes
// them.
func TestLeaseTimesAgreeWithTheOperator(t *testing.T) {
	t.Parallel()
	h := newHelm(t)
	for _, times := range [][3]string{
		{"2s", "1s", "100ms"}, {"2s", "1999ms", "1666ms"}, {"2s", "1999ms", "1665ms"}, {"2s", "2s", "100ms"}, {"2s", "121ms", "100ms"},
		{"2s", "120ms", "100ms"}, {"4s", "3999ms", "500ms"}, {"4s", "3s", "2500ms"}, {"4s", "3s", "2499ms"}, {"15s", "10s", "2s"},
		{"600s", "599s", "499s"}, {"600s", "599s", "500s"}, {"600s", "599999ms", "1s"}, {"600s", "600000ms", "1s"}, {"10s", "9s", "8s"}, {"10s", "9s", "7s"},
	} {
		t.Run(strings.Join(times[:], " "), func(t *testing.T) {
			t.Parallel()
			_, refused := manager.Parse([]string{
				"--leader-elect-lease-duration=" + times[0], "--leader-elect-renew-deadline=" + times[1], "--leader-elect-retry-period=" + times[2],
			}, io.Discard)
			out, err := h.run(t, "template", defaultRelease, folder(t, "config", "chart"), "--show-only=templates/manager.yaml", fmt.Sprintf(
				"--set=manager.leaseDuration=%s,manager.renewDeadline=%s,manager.retryPeriod=%s", times[0], times[1], times[2]))
			if (refused == nil) != (err == nil) {
				t.Fatalf("the operator says %v, and the chart %v", refused, err)
			}
			if err == nil && times[0] != "4s" && !strings.Contains(out, "- --leader-elect-lease-duration="+times[0]+"\n") {
				t.Errorf("the operator gets no --leader-elect-lease-duration=%s", times[0])
			}
		})
	}
}
