// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package access decides whether a request may pass: a Request, the Grant of the presented key and the time make a Decision. It is
// pure, and the zero value of every type denies.
//
// The order of the checks is data, as in package lifecycle. A gateway that does not state correctly what an endpoint needs is refused
// first, with 500: every request then fails, so the author of the configuration notices. Unknown, repeated and empty parameters are such
// errors too: a misspelled "permision" must not open an endpoint to every key. Permanent states come before temporary ones, so that a
// suspended key that has expired is "expired", in agreement with status.phase. A replaced key whose overlap is over is "expired".
package access
