// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import "testing"

func TestThereIsRoomBetweenCollections(t *testing.T) {
	for live, want := range map[uint64]int{
		0: 12800, 1 << 20: 12800, 64 << 20: 200, 128 << 20: 100, 256 << 20: 50, 8 << 30: 50,
	} {
		if got := percentFor(live); got != want {
			t.Errorf("%d MiB alive: %d per cent, want %d", live>>20, got, want)
		}
	}
	if liveHeap() > 1<<40 {
		t.Errorf("%d bytes are alive", liveHeap())
	}
}
