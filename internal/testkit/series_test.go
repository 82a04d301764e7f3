// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

func TestWrongSeries(t *testing.T) {
	registry := prometheus.NewRegistry()
	vector := func(name string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: `with "quotes" and {braces}`}, []string{"result", "why"})
		registry.MustRegister(v)

		return v
	}
	vector("ours_forgotten")
	vector("ours_open")
	vector("theirs_forgotten")
	whole, partly := vector("ours_whole"), vector("ours_partly")
	for _, result := range []string{"good", "bad"} {
		for _, why := range []string{"", "x"} {
			whole.WithLabelValues(result, why)
		}
	}
	partly.WithLabelValues("good", "")
	partly.WithLabelValues("surprising", "")
	registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "ours_plain", Help: "without labels"}))
	all := testkit.AllSeries(map[string][]string{"result": {"good", "bad"}, "why": {"", "x"}})
	got, err := testkit.WrongSeries(registry, "ours_", map[string][]testkit.Series{"ours_whole": all, "ours_partly": all, "ours_open": nil})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"ours_forgotten has labels (result,why) and no entry here: make all its series at the start, and list them",
		"ours_partly has the series map[result:surprising why:], which is not listed",
		"ours_partly lacks the series map[result:bad why:]",
		"ours_partly lacks the series map[result:bad why:x]",
		"ours_partly lacks the series map[result:good why:x]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(all) != 4 {
		t.Errorf("%d series of two labels with two values each", len(all))
	}
}
