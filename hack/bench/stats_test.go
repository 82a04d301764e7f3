// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPercentile(t *testing.T) {
	values := []float64{50, 15, 40, 20, 35}
	for name, c := range map[string]struct {
		values []float64
		p      float64
		want   float64
	}{
		"of nothing":           {nil, 50, 0},
		"of one value":         {[]float64{7}, 99, 7},
		"0 is the smallest":    {values, 0, 15},
		"30 is the second":     {values, 30, 20},
		"40 still the second":  {values, 40, 20},
		"50 is the middle":     {values, 50, 35},
		"100 is the largest":   {values, 100, 50},
		"100.1 stays in range": {values, 100.1, 50},
	} {
		t.Run(name, func(t *testing.T) {
			if got := percentile(c.values, c.p); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
	if diff := cmp.Diff([]float64{50, 15, 40, 20, 35}, values); diff != "" {
		t.Errorf("percentile changed its argument (-want +got):\n%s", diff)
	}
}

func TestMedian(t *testing.T) {
	for name, c := range map[string]struct {
		values []float64
		want   float64
	}{
		"of nothing":                              {nil, 0},
		"of one value":                            {[]float64{7}, 7},
		"of an odd number, the middle one":        {[]float64{9, 1, 5}, 5},
		"of an even number, between both":         {[]float64{9, 1, 5, 6}, 5.5},
		"one that is far off does not move it":    {[]float64{5, 5, 5, 5, 1000}, 5},
		"of two values, half-way between the two": {[]float64{1, 2}, 1.5},
	} {
		t.Run(name, func(t *testing.T) {
			if got := median(c.values); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestRatios(t *testing.T) {
	for name, c := range map[string]struct {
		values, others, want []float64
	}{
		"one by one":                         {[]float64{9, 8}, []float64{10, 4}, []float64{0.9, 2}},
		"what has no partner does not count": {[]float64{9, 8, 7}, []float64{10}, []float64{0.9}},
		"of nothing":                         {nil, []float64{1}, []float64{}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, ratios(c.values, c.others)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSpread(t *testing.T) {
	if got, want := spread([]float64{0.95, 0.91, 1}), "0.910 to 1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
