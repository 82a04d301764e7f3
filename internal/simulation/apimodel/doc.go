// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package apimodel is a small model of the contract of the Kubernetes API server, for APIKeys and Secrets of one namespace.
//
// It has resource versions, uids, generations, preconditions, optimistic locking, the subresource status, updates that change nothing,
// finalizers, deletion with and without dependents, garbage collection, and the changes that a watch delivers. contract_test.go replays the
// calls of simulated histories on a real kube-apiserver and compares results and stored objects.
//
// It has no schema, no admission, no managedFields and no pagination: a simulated client sends valid objects only.
package apimodel
