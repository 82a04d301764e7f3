// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package keyindex_test

// raceDetector tells whether the tests run with the race detector. `make test` repeats the tests named TestLengthy without it.
const raceDetector = false
