// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy_test

func overlapCases() []demandCase {
	return []demandCase{
		{"the longest overlap", "rotation: {maximumOverlap: 1h}", "rotation: {overlap: 60m}", ""},
		{"no overlap", "rotation: {maximumOverlap: 0s}", "rotation: {every: 1h}", ""},
		{"a longer overlap", "rotation: {maximumOverlap: 1h}", "rotation: {overlap: 1h1s}",
			"lets a replaced key work at most 1h longer: spec.rotation.overlap is 1h1s."},
		{"an overlap where none is allowed", "rotation: {maximumOverlap: 0s}", "rotation: {overlap: 1s}",
			"lets a replaced key work at most 0s longer: spec.rotation.overlap is 1s."},
		{"no rotation where overlaps are limited", "rotation: {maximumOverlap: 0s}", "{}", ""},
	}
}
