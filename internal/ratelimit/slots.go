// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit

import "strconv"

// A cluster has 16384 slots, which its servers share. A key is in the slot that is its CRC-16 modulo that
// (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#key-distribution-model).
// Consecutive slots are nearly always on the same server, so the partitions of a cluster are ranges of slots: a server that
// hangs delays the requests to few other servers.
const (
	slots             = 16384
	clusterPartitions = 16
)

// partitionOf returns the partition that holds the bucket of a key.
func partitionOf(uid string, partitions int) int {
	if partitions == 1 {
		return 0
	}

	return int(crc16(keyPrefix+uid)%slots) * partitions / slots
}

// probeUID returns a uid that no APIKey has, and whose bucket is in the partition.
func probeUID(partition, partitions int) string {
	for i := 0; ; i++ {
		if uid := "probe-" + strconv.Itoa(i); partitionOf(uid, partitions) == partition {
			return uid
		}
	}
}

// crc16 returns the CRC-16/XMODEM of a text.
func crc16(text string) uint16 {
	var sum uint16
	for i := range len(text) {
		sum ^= uint16(text[i]) << 8
		for range 8 {
			carry := sum & 0x8000
			sum <<= 1
			if carry != 0 {
				sum ^= 0x1021
			}
		}
	}

	return sum
}
