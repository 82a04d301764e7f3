// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import "time"

// Step is the outcome of one check of a request.
type Step struct {
	// Reason is that of the check.
	Reason Reason
	// Refuses tells that the check refuses the request. The first check that refuses makes the decision.
	Refuses bool
}

// Trace returns the outcome of every check in the order of Decide, to explain a decision to a person. Where there is no grant that
// later checks could look at, the steps end with the check that says so.
func Trace(request *Request, grant *Grant, now time.Time) []Step {
	q := question{request: *request, grant: grant, now: now.Unix()}
	var steps []Step
	for _, c := range checks() {
		step := Step{Reason: c.reason, Refuses: c.fails(q)}
		steps = append(steps, step)
		if step.Refuses && (step.Reason == Unknown || step.Reason == Disputed) {
			break
		}
	}

	return steps
}
