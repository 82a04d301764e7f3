// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation_test

// causeMutants replace a key without a cause, at another time than the schedule says, or with another overlap than spec has.
//
//nolint:lll // the lines are code, before and after
func causeMutants() []mutant {
	return []mutant{
		{name: "rotate by any change of spec", seed: 22, changes: []change{{
			decideGo, " || reached(rotationDue(o.APIKey), now)\n}\n",
			" || reached(rotationDue(o.APIKey), now) ||\n		mutant(\"rotate by any change of spec\") && o.APIKey.Status.ObservedGeneration > 0 && o.APIKey.Generation != o.APIKey.Status.ObservedGeneration\n}\n",
		}}},
		{name: "rotate before the schedule", seed: 1779, changes: []change{{
			rotationGo, "	every, ok := apikey.Spec.Rotation.Every.Parse()\n",
			"	every, ok := apikey.Spec.Rotation.Every.Parse()\n	if mutant(\"rotate before the schedule\") {\n		every /= 2\n	}\n",
		}}},
		{name: "rotate after the schedule", seed: 38, changes: []change{{
			rotationGo, "	return v1alpha1.StorableTime(apikey.Status.LastRotation.At.Add(every))\n",
			"	if mutant(\"rotate after the schedule\") {\n		every *= 2\n	}\n\n	return v1alpha1.StorableTime(apikey.Status.LastRotation.At.Add(every))\n",
		}}},
		{name: "double the overlap of spec", seed: 6, changes: []change{{
			rotationGo, "	overlap, _ := apikey.Spec.Rotation.Overlap.Parse()\n",
			"	overlap, _ := apikey.Spec.Rotation.Overlap.Parse()\n	if mutant(\"double the overlap of spec\") {\n		overlap *= 2\n	}\n",
		}}},
		{name: "ignore the overlap of spec", seed: 6, changes: []change{{
			rotationGo, "	return min(overlap, v1alpha1.MaxOverlap)\n",
			"	if mutant(\"ignore the overlap of spec\") {\n		return 0\n	}\n\n	return min(overlap, v1alpha1.MaxOverlap)\n",
		}}},
	}
}
