// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package leak_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/leak"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// encodings are the two alphabets, with and without padding.
func encodings() map[string]*base64.Encoding {
	return map[string]*base64.Encoding{
		"standard": base64.StdEncoding, "standard without padding": base64.RawStdEncoding,
		"URL": base64.URLEncoding, "URL without padding": base64.RawURLEncoding,
	}
}

// wrapped returns a text in lines of a width, with a text before each line but the first.
func wrapped(text string, width int, brk string) string {
	var lines strings.Builder
	for len(text) > width {
		lines.WriteString(text[:width] + brk)
		text = text[width:]
	}

	return lines.String() + text
}

// differentPlaces is how many places in a line a key is put at: more than a line has.
const differentPlaces = 130

// TestLengthyScanBase64 finds keys of each prefix length and environment in base64, at each alignment, in each alphabet, and broken into lines.
func TestLengthyScanBase64(t *testing.T) {
	for name, encoding := range encodings() {
		for _, prefix := range []string{"a", "ak", "ak1", "abcdefghij"} {
			for _, environment := range []v1alpha1.Environment{
				v1alpha1.EnvironmentProduction, v1alpha1.EnvironmentStaging, v1alpha1.EnvironmentDevelopment,
			} {
				key := newKey(t, prefix, environment)
				for _, width := range []int{60, 64, 70, 76, 1 << 20} {
					for _, brk := range []string{"\n", "\r\n", "\n    ", "\n\t", "\n+", "\n-    "} {
						var text strings.Builder
						for before := range differentPlaces {
							plain := strings.Repeat("\xff ", before)[:before] + key + strings.Repeat("\xfb\n", before)[:before]
							text.WriteString("data: " + wrapped(encoding.EncodeToString([]byte(plain)), width, brk) + " \n")
						}
						found := scan(t, strings.NewReader(text.String()))
						other := slices.ContainsFunc(found, func(f leak.Found) bool { return f.Digest != keys.DigestOf(key) })
						if len(found) != differentPlaces || other {
							t.Errorf("%s, prefix %s, lines of %d, break %q: found %d keys, want %d", name, prefix, width, brk, len(found), differentPlaces)
						}
					}
				}
			}
		}
	}
}

// TestPlaceOfBase64 tells the line and the offset of the character with which a key begins.
func TestPlaceOfBase64(t *testing.T) {
	key := newKey(t, "ak", v1alpha1.EnvironmentProduction)
	for before, offset := range map[int]int64{0: 0, 1: 1, 2: 2, 3: 4} {
		text := "a\nb: " + base64.StdEncoding.EncodeToString([]byte("xyz"[:before]+key))
		found := scan(t, strings.NewReader(text))
		if len(found) != 1 || found[0].Line != 2 || found[0].Offset != 5+offset {
			t.Errorf("%d bytes before: %+v", before, found)
		}
	}
}

// TestNoBase64 finds nothing in what is not base64 of a key, or not of a whole one.
func TestNoBase64(t *testing.T) {
	key := newKey(t, "ak", v1alpha1.EnvironmentProduction)
	encoded := base64.StdEncoding.EncodeToString([]byte(key))
	mistyped := base64.StdEncoding.EncodeToString([]byte(key[:30] + "0" + key[30:54]))
	var compressed bytes.Buffer
	writer := gzip.NewWriter(&compressed)
	if _, err := writer.Write([]byte(key)); err != nil || writer.Close() != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"cut at the end":      encoded[:len(encoded)-4],
		"cut at the start":    encoded[4:],
		"mistyped":            mistyped,
		"a gap":               encoded[:30] + " " + encoded[30:],
		"an empty line":       encoded[:30] + "\n\n" + encoded[30:],
		"twice in base64":     base64.StdEncoding.EncodeToString([]byte(encoded)),
		"compressed":          compressed.String(),
		"compressed, encoded": base64.StdEncoding.EncodeToString(compressed.Bytes()),
		"upper case":          strings.ToUpper(encoded),
		"markers alone":       strings.Repeat("X3Byb2Rf", 1000),
	} {
		if found := scan(t, strings.NewReader(text)); len(found) > 0 {
			t.Errorf("%s: found %d keys", name, len(found))
		}
	}
}

// TestLengthyBase64AtChunkBorders puts encoded keys at every distance from a border between chunks, in one line and in several.
func TestLengthyBase64AtChunkBorders(t *testing.T) {
	const border = 256<<10 + 1<<10
	key := newKey(t, "abcdefghij", v1alpha1.EnvironmentProduction)
	filler := bytes.Repeat([]byte("filler_prod and some more text\n"), 3*border/31+1)
	for shift := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte("xyz"[:shift] + key))
		for _, text := range []string{encoded, wrapped(encoded, 64, "\r\n        ")} {
			for distance := -2 * len(text); distance <= 2*len(text); distance += distanceStep() {
				for _, at := range []int{border + distance, border - 1<<10 + distance, 2*border - 1<<10 + distance} {
					whole := string(filler[:at]) + "\n" + text + "\n"
					found := scan(t, strings.NewReader(whole))
					want := int64(1 + strings.Count(whole[:at+1], "\n"))
					if len(found) != 1 || found[0].Line != want || found[0].Offset < int64(at+1) || found[0].Offset > int64(at+3) {
						t.Fatalf("a key at %d: found %+v in line %d", at, found, want)
					}
				}
			}
		}
	}
}

// FuzzScanBase64 finds every key among bytes of any kind, and no other, in pieces of any size.
func FuzzScanBase64(f *testing.F) {
	f.Add([]byte("x\n"), uint64(1), uint16(7), uint8(60))
	f.Add([]byte("\xff\xfe{\"key\":"), uint64(2), uint16(1), uint8(76))
	f.Fuzz(func(t *testing.T, noise []byte, seed uint64, size uint16, width uint8) {
		random := rand.New(rand.NewPCG(seed, 3)) //nolint:gosec // G404: a test that can be repeated
		var plain bytes.Buffer
		want := map[keys.Digest]int{}
		for range random.IntN(20) {
			key := newKey(t, []string{"ak", "a", "abcdefghij"}[random.IntN(3)], v1alpha1.EnvironmentStaging)
			want[keys.DigestOf(key)]++
			plain.Write(noise)
			plain.WriteString(key)
		}
		for _, encoding := range encodings() {
			text := wrapped(encoding.EncodeToString(plain.Bytes()), 60+int(width)%40, []string{"\n", "\r\n", "\n  "}[random.IntN(3)])
			got := map[keys.Digest]int{}
			for _, found := range scan(t, pieces{strings.NewReader(text), int(size)%100 + 1}) {
				got[found.Digest]++
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("found %d keys, want %d", len(got), len(want))
			}
		}
	})
}

// TestLengthyConstantMemoryForBase64 scans a dump that is base64 altogether.
func TestLengthyConstantMemoryForBase64(t *testing.T) {
	size := 48 << 20
	if raceDetector {
		size = 15 << 20
	}
	part := base64.StdEncoding.EncodeToString(logText(t, size))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	found := 0
	if _, err := leak.Scan(iotest.DataErrReader(strings.NewReader(part)), func(leak.Found) error { found++; return nil }); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 2<<20 {
		t.Errorf("%d bytes were allocated", allocated)
	}
	if found != size/keyEvery+1 {
		t.Errorf("found %d keys", found)
	}
}
