// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

// DemandNames returns the names of all demands that have a violation in Go.
func DemandNames() []string {
	var names []string
	for _, d := range demands() {
		if d.violation != nil {
			names = append(names, d.name)
		}
	}

	return names
}

// UnmetDemands returns the names of the demands that an APIKey fails.
func UnmetDemands(t Terms) []string {
	var names []string
	for _, policy := range t.policies {
		for _, d := range demands() {
			if d.violation != nil && d.violation(&policy.Spec, t.apikey) != "" {
				names = append(names, d.name)
			}
		}
	}

	return names
}
