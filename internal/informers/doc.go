// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package informers makes the informers of the operator, which follow an API server again within about 2 seconds after an outage, and says
// which watches are broken.
//
// client-go's reflectors wait up to 60 seconds (30, with a jitter of 1) after failures, and forget these only after 2 minutes. Only a
// Reflector takes another back-off, an informer does not, so this package uses two openings that client-go has:
//
//   - An informer reads through a ListerWatcher. Follower is one that tries again by itself while the API server does not answer, so a watch
//     goes on from where it was, and nothing is listed again.
//   - An informer calls its WatchErrorHandler with its Reflector after a failure, before it waits. Here, the first request fails on purpose and
//     the handler does not return: it repeats Reflector.ListAndWatchWithContext, as Reflector.RunWithContext does, with waits of its own.
//
// All followers of a process share one Gate. While the API server does not answer, one of them tries about once a second, however many there
// are; the first answer lets all others try within half a second. So N replicas send N requests a second during an outage, plus those of
// the leader election.
package informers
