// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package operations holds what a person does with APIKeys: list, create, rotate, suspend, resume, rename, revoke, delete, reveal.
//
// A function here acts with the rights of the client that it is given and with no others. It knows neither a terminal nor
// flags: it takes values, returns values, and never asks. The commands of kubectl-apikey call it; so can a web page.
package operations
