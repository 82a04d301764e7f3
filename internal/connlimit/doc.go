// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package connlimit bounds the connections of a server, and the requests that are under way on them, so that clients that send
// nothing useful cannot fill its memory.
//
// At the limit a connection is closed, not refused: otherwise whoever opens connections first and keeps them locks out everybody
// else. The victim is the oldest connection on which no request was ever answered, which is how connections of an attacker look and those of
// a gateway do not; if there is none, the connection whose last answer is the longest ago.
package connlimit
