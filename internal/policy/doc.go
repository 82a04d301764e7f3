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
// # Adding a demand
//
//  1. Write a file with a function that returns the demand, and its cases in a test file beside it.
//  2. Add the function to the table in demands.
//
// No other code lists demands: the guardrail, the condition Compliant and the tests iterate over the table. The tests fail for a
// demand without cases. They run each case in Go and against an API server, and compare both languages on random APIKeys.
package policy
