// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
	"slices"
)

// percentile is the smallest of the values that at least p percent of them do not exceed (nearest rank); 0 for no values.
func percentile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))

	return sorted[min(max(rank, 1), len(sorted))-1]
}

// median is the middle one of the values, or half-way between the two in the middle; 0 for no values.
func median(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))

	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// ratios divides values by others, one by one. Both were measured in turns, so what slows the machine down slows both.
func ratios(values, others []float64) []float64 {
	each := make([]float64, min(len(values), len(others)))
	for i := range each {
		each[i] = values[i] / others[i]
	}

	return each
}

// spread says from where to where values go.
func spread(values []float64) string {
	return fmt.Sprintf("%s to %s", formatValue(percentile(values, 0)), formatValue(percentile(values, 100)))
}
