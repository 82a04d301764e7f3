// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/access"
)

func TestEntryThatWasUsedMeanwhileIsNotRetired(t *testing.T) {
	e := newEntry(&access.Subject{UID: "a"}, 1)
	if !e.advance(2) {
		t.Fatal("the use at 2 was not taken")
	}
	if e.retire(1) {
		t.Error("it was retired, with the use at 2 in it")
	}
	if !e.retire(2) {
		t.Error("it was not retired, though there was no use since")
	}
	if e.advance(3) {
		t.Error("a retired entry took a use, which is lost")
	}
}
