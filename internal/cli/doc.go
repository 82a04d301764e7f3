// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cli holds the commands of kubectl-apikey.
//
// A command reads flags, calls package operations, and prints what comes back with package output. It asks with package
// prompt, and only at a terminal. Everything from the cluster that is printed to a terminal has its control characters escaped.
// A key is accepted from standard input and files, never as an argument: arguments end up in the history of shells and in the
// list of processes.
package cli
