// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

func TestDrawKeysKeepsTextsAndDigestsTogether(t *testing.T) {
	set, err := drawKeys(20)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i, text := range set.texts {
		if err := keys.Check(text); err != nil {
			t.Errorf("text %d is no key: %v", i, err)
		}
		if keys.DigestOf(text) != set.digests[i] {
			t.Errorf("digest %d is not that of its text", i)
		}
		seen[text] = true
	}
	if len(seen) != 20 {
		t.Errorf("%d different keys, want 20", len(seen))
	}
}

func TestCoreKnowsAllKeys(t *testing.T) {
	const n = 25
	c, err := newCore(n)
	if err != nil {
		t.Fatal(err)
	}
	limited := 0
	for _, text := range c.texts {
		grant := c.index.Find(keys.DigestOf(text))
		if grant == nil || !grant.Subject.Rights.Hold(neededPermission) {
			t.Fatal("a key is not known, or may not do what endpoints ask for")
		}
		if !grant.Subject.Limit.IsZero() {
			limited++
		}
	}
	if limited != 3 {
		t.Errorf("%d keys have a rate limit, want every tenth of %d", limited, n)
	}
	if err := c.warmUp(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCoreAsksWithOneKeyAfterTheOther(t *testing.T) {
	c := &core{texts: []string{"a", "b", "c"}}
	asked := ""
	for range 7 {
		asked += c.text()
	}
	if asked != "abcabca" {
		t.Errorf("asked with %s", asked)
	}
}
