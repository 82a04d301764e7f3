// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package installation waits until an API server applies the CRDs and the guardrails that were installed on it.
//
// An API server picks up a CRD, a policy and the kind of the policy's parameters at different times, seconds apart. In the meantime
// it admits requests that a guardrail will refuse, and refuses every request that a guardrail matches whose parameter kind it does
// not know yet ("failed to configure policy"). No status of these objects shows when that is over: other processes write it. So the
// package asks the API server itself, with requests whose answer is known: each guardrail must refuse one, and some must pass. One refusal
// proves nothing, because an API server that has a policy and does not know the kind of its parameters refuses everything. Nearly
// all requests are dry runs; the objects that must exist for them are temporary.
//
// An answer is about one API server. Where several stand behind one address, another may still lag behind.
//
// # The order of an installation
//
// config/default has sortOptions: namespace, policies, bindings, CRDs, RBAC, and Deployments last, and kubectl applies in that order
// (`kubectl apply -k` reports that the file overrides its own flag). Without them kustomize puts policies after Deployments. In three
// trials on an empty cluster, with a client that created APIKeys all the time, the first answer other than 404 was a refusal by a
// guardrail. Nothing in Kubernetes guarantees it (an API server picks up policies every second and serves a new CRD after about two), but
// in that time only users with a rule for * have any right to APIKeys. Until the CRD of APIKeyPolicy is served, the guardrail "limits"
// refuses every write of an APIKey; `make uninstall` therefore removes the guardrails first.
//
// An API server looks for unknown parameter kinds every 30 seconds, which made one quickstart in four or five fail. With the policies
// before the CRDs the wait took 29 s; with the CRD of APIKeyPolicy first, as `make deploy` and the quickstart apply it, 1 to 3 s.
package installation
