// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package guardrails builds what guards APIKeys at the API server: ValidatingAdmissionPolicies and their bindings.
// It is the one source of them. hack/policies writes them to config/policy, and the operator compares what the cluster
// has with the same objects, so that it mints no key where they are not in force.
//
// What every policy keeps to:
//   - It fails closed, and it never stands in the way of getting rid of something: no rule covers a deletion, and a change
//     that is about nothing the policy guards, such as the removal of a finalizer, does not match.
//   - No user is exempt, because every user can be impersonated. The garbage collector may take owner references off the
//     Secret of an APIKey, and nothing else.
//   - The API server stops counting at a cost of 10,000,000 a binding and 1,000,000 an expression, and refuses. Asking the
//     authorizer costs 350,000, so there is one validation for each element of a list: see grants.go.
package guardrails
