// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit

import "strconv"

// A cluster has 16384 slots, which its servers share. A key is in the slot that is its CRC-16 modulo that
// (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#key-distribution-model).
// Slots that follow each other are nearly always on the same server, so the parts of a cluster are ranges of them:
// a server that hangs holds up the requests of few other servers.
const (
	slots        = 16384
	clusterParts = 16
)

// partOf is the part that has the bucket of a key.
func partOf(uid string, parts int) int {
	if parts == 1 {
		return 0
	}

	return int(crc16(keyPrefix+uid)%slots) * parts / slots
}

// probeUID is a uid that no APIKey has, and whose bucket is in this part.
func probeUID(part, parts int) string {
	for i := 0; ; i++ {
		if uid := "probe-" + strconv.Itoa(i); partOf(uid, parts) == part {
			return uid
		}
	}
}

// crc16 is CRC-16/XMODEM.
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
