// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package e2e tests an installation on a cluster with kubelets: the one that KUBECONFIG names. Everything is in test files with the build
// tag e2e, so that `go test ./...` needs no cluster. `make e2e` builds the images and runs the tests on a kind cluster; `make e2e-lab` starts
// a cluster without Docker first.
//
// The tests own the cluster: they install, upgrade and remove the operator, cut nodes off and stop the API server. Every requirement is a
// row of the table that ends the run, with the figure that was measured. A row that exceeds its limit fails the run.
//
// The specs run in the order of the file suite_test.go. Each group brings the cluster into the state that it needs, so a group also runs
// alone: `make e2e E2E_FOCUS='API server'`.
package e2e
