// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/hack/soak/schedule"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

func TestCommandLine(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"help":               {[]string{"--help"}, exitOK, "--seed"},
		"an unknown flag":    {[]string{"--sed=1"}, exitUsage, "--help"},
		"an argument":        {[]string{"5m"}, exitUsage, "it takes flags only"},
		"too short":          {[]string{"--duration=1s"}, exitUsage, "duration"},
		"no keys":            {[]string{"--keys=0"}, exitUsage, "keys"},
		"a missing operator": {[]string{"--duration=30s", "--manager=/nonexistent"}, exitFailed, "make build"},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && c.code == exitFailed {
				t.Skip("starts a control plane")
			}
			var stdout, stderr bytes.Buffer
			if code := run(t.Context(), nil, c.args, &stdout, &stderr); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			if said := stdout.String() + stderr.String(); !strings.Contains(said, c.says) {
				t.Errorf("it says nothing of %q:\n%s", c.says, said)
			}
		})
	}
}

func TestSeedIsDrawnUnlessGiven(t *testing.T) {
	var drawn [2]options
	for i := range drawn {
		var err error
		if drawn[i], err = parse([]string{"--keys=3"}, new(bytes.Buffer)); err != nil {
			t.Fatal(err)
		}
	}
	if drawn[0].Seed == 0 || drawn[0].Seed == drawn[1].Seed {
		t.Errorf("seeds %d and %d", drawn[0].Seed, drawn[1].Seed)
	}
	given, err := parse([]string{"--seed=7", "--duration=1m"}, new(bytes.Buffer))
	if want := (schedule.Options{Seed: 7, Duration: time.Minute, Keys: 200}); err != nil || given.Options != want {
		t.Errorf("got %+v, %v", given.Options, err)
	}
}

// A key that is in memory appears in nothing that is printed.
func TestVault(t *testing.T) {
	v := newVault()
	if _, _, ok := v.pick(); ok {
		t.Error("an empty vault has a key")
	}
	if digest := v.learn("u", []byte("edited 1")); digest != "" {
		t.Errorf("a text is the key %s", digest)
	}
	for i := range 500 {
		text := testkit.ForeignKey()
		digest := v.learn(types.UID(string(rune('a'+i%26))), []byte(text))
		if digest == "" || v.text(digest) != text || v.learn("other", []byte(text)) != digest {
			t.Fatalf("key %d is not kept", i)
		}
	}
	asked := map[string]bool{}
	for range 20000 {
		digest, text, ok := v.pick()
		if !ok || v.text(digest) != text {
			t.Fatal("a pick is no key")
		}
		asked[digest] = true
	}
	if len(asked) != v.size() {
		t.Errorf("%d of %d keys are asked about", len(asked), v.size())
	}
	if printed := strings.Contains(strings.Join([]string{tail([]byte("panic: " + testkit.ForeignKey()))}, ""), "ak_"); printed {
		t.Error("the end of a log shows a key")
	}
}

// An interruption ends the soak in order, with the exit code of the signal.
func TestPauseEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	if !pause(ctx, time.Millisecond) {
		t.Error("a pause ends early")
	}
	cancel()
	if pause(ctx, time.Hour) {
		t.Error("a pause outlives its context")
	}
}
