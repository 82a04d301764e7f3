// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package keyindex follows the APIKeys and APIKeyRoles of the cluster and finds the grant of a key by its digest, in the same time
// however many keys there are.
//
// # The index is the store of the watch
//
// A client-go Reflector writes straight into the index, and its transform turns each APIKey into one small entry while the list
// streams in; no copy of the object is kept. A look-up takes no lock and allocates nothing. It reads two places in memory that are
// not in a cache of the processor: a slot of the table (table.go) and the entry itself. With a million keys each such access costs as
// much as the digest; the table is therefore this package's own: one writer, linear probing, a seeded hash beside each pointer.
//
// Entries with the same permissions and roles share them by pointer, and those share roles: a change of a role is one assignment,
// however many keys name it. An update stores the new grants before it removes the old ones, so a key that stays is never without a
// grant.
//
// The data that a decision reads lies together: the grant and its subject are one allocation, with the checked fields in the first two
// cache lines. The other strings of a key are one allocation, and its customers one string, so a garbage collection follows fewer
// pointers. The value of x-apikey-permissions is built once for all keys with the same rights, until one of their roles changes.
//
// # Disputed digests
//
// The same digest on two APIKeys means that a status was copied. The verifier cannot tell which APIKey owns the digest, so it refuses
// both as disputed, logs a warning and counts them in apikey_verifier_index_disputed_keys. When one of them goes, the other works again.
//
// # Staleness
//
// The ports for gateways open after the first complete list, so there is neither a false yes nor a false no. While the API server is
// unreachable, the index stays as it is; apikey_verifier_index_watch_up and apikey_verifier_index_last_event_timestamp_seconds report
// it. An expiry needs no API server. Retries of the watch are at most 7.5 s apart: a cap of 5 s and a jitter of half of that, where
// client-go's own cap is a minute. So a revocation during an outage takes effect within 7.5 s after its end, plus the time of the list.
package keyindex
