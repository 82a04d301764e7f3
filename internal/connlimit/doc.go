// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package connlimit bounds the connections of a server, and the requests in progress on them, so that clients that send
// nothing useful cannot fill its memory.
//
// At the limit the listener accepts the new connection and closes an older one. Refusing the new one would let a client that opens
// connections first and keeps them lock out all others. The victim is the oldest connection on which no request was ever
// answered, as is the case for an attacker's and not for a gateway's; if there is none, the connection whose last answer is the longest ago.
//
// TestFloods attacks the real process with ten times the load that once ended it, under a limit of 512 MiB, while requests with a
// key are answered 200 (p99 1 to 600 ms on two busy cores that also run the attack):
//
//	2,500 gRPC streams that announce 4 MiB each              peak 127 MiB
//	450 connections with 1 MB of unfinished headers          peak  50 MiB
//	6,000 bodies that never arrive                           peak  50 MiB
//	5,000 silent connections                                 peak  62 MiB
package connlimit
