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
// BenchmarkFind compares the table with two maps: look-ups of random keys from every processor, and the memory per key beside the record
// itself. The lowest time of 11 runs, on 2 shared cores of an AMD EPYC with Go 1.26 (2026-11-26); other work made single runs up to
// five times slower:
//
//	              1,000 keys       100,000 keys      1,000,000 keys
//	table       32 ns,  33 B      317 ns,  42 B       439 ns,  34 B
//	xsync.Map   55 ns,  82 B      303 ns,  71 B       790 ns,  82 B
//	sync.Map    68 ns, 137 B     1003 ns, 142 B      1230 ns, 138 B
//
// A map would be simpler, and would replace the table if it were within 10 % everywhere. xsync.Map is at 100,000 keys only.
//
// # Disputed digests
//
// The same digest on two APIKeys means that a status was copied. The verifier cannot tell which APIKey owns the digest, so it refuses
// both as disputed, logs a warning and counts them in apikey_verifier_index_disputed_keys. When one of them goes, the other works again.
//
// # Staleness
//
// The ports for gateways open after the first complete list, so there is neither a false yes nor a false no. While the API server is
// unreachable, the index stays as it is. An expiry needs no API server.
//
// An open watch does not show that the index is current. With a stopped etcd, kube-apiserver 1.36 keeps watches open, accepts new ones and
// sends bookmarks, all from its cache; a connection that was cut silently stays open as well. Therefore each resource is read every
// 3 seconds: a list with limit=1, metadata only and without a resourceVersion, for which kube-apiserver asks etcd for its revision and
// waits until its own cache has reached it. While etcd does not answer, neither does the list, which ends after 3 seconds. The index is
// complete as of the begin of a read once the watch has delivered the version that the read returned. On a quiet cluster only a bookmark
// delivers it. kube-apiserver sends one a minute, and one 2 seconds before the end of a watch; so watches last 6 seconds.
//
// The cost is about one request per second and replica: two reads every 3 seconds and two watches every 6. With --max-staleness=10s it
// is 2.5: two reads every second and two watches every 3 seconds. No request transfers more than the metadata of one APIKeyRole:
// APIKeys are listed in a namespace that has none. The rights to list and to watch are enough.
//
// apikey_verifier_index_watch_up is 1 while reads and the watch confirm each other, and apikey_verifier_index_staleness_seconds is the
// age of the index: 3 to 11 s on a healthy cluster. With a stopped etcd and a maximum of 10 s, watch_up was 0 after 4.0 s, the index
// was stale after 10.0 s, and watch_up was 1 in 0.02 s after its return (2026-11-26, 2 shared cores). A failed watch is opened again
// after at most 1.1 s (0.7 s, and a jitter of half of that), so a revocation during an outage takes effect within that time after its
// end, plus the time of a list.
//
// Resource versions that go back mean that etcd was restored. kube-apiserver then sends nothing to a watch until the old version is
// reached again, and drops what happened meanwhile. A read notices it, and everything is listed again.
package keyindex
