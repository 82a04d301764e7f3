// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package access decides whether a request may pass: a Request, the Grant of the key that it brought and the time
// make a Decision. It is pure, and whatever is missing denies.
package access
