// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package policy defines what an APIKeyPolicy means. It is pure.
//
// A policy
//   - selects namespaces (selection.go),
//   - makes demands of the APIKeys there (one file for each field of the policy),
//   - determines, together with spec, the expiry, rate limit and overlap of an APIKey (effective.go, ratelimit.go, overlap.go).
//
// The API server enforces demands on requests: Variables and Validations are the CEL of the guardrail "limits". The operator
// evaluates the same demands in Go, because an APIKey can be older than a policy: Terms answers every question that it has.
// The CEL and the Go of a demand stand in one file and use the same words.
//
// # Rules for every demand
//
//   - Each APIKeyPolicy is evaluated by itself, as the API server does with parameters, so the strictest value of several applies.
//   - An update fails only for what it enlarges: a key that a later policy excludes can still be renamed, suspended, shortened and revoked.
//   - "Now" is the creation time of the APIKey, the only clock of CEL.
//   - expiry.required is met by a default of the same policy.
//
// The selector of namespaces is a type of its own, because a LabelSelector has no sizes from which the API server could estimate costs.
//
// # Adding a demand
//
//  1. Write a file with a function that returns the demand.
//  2. Add a row with the function to the table in demands.
//
// No other production code lists demands: the guardrail and the condition Compliant iterate over the table. The tests fail until
// demandCases has a case that violates the demand; they run each case in Go and against an API server. dice.policy sets the field
// in the random policies of the differential test.
package policy
