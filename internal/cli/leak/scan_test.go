// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package leak_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/leak"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// newKey draws a key with a prefix.
func newKey(t testing.TB, prefix string, environment v1alpha1.Environment) string {
	t.Helper()
	key, err := keys.Generator{Prefix: prefix}.New(environment)
	if err != nil {
		t.Fatal(err)
	}

	return key.Reveal()
}

// scan returns what is found, in the order of the text.
func scan(t testing.TB, text io.Reader) []leak.Found {
	t.Helper()
	var all []leak.Found
	if _, err := leak.Scan(text, func(f leak.Found) error { all = append(all, f); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, func(a, b leak.Found) int { return int(a.Offset - b.Offset) })

	return all
}

func TestScan(t *testing.T) {
	key := newKey(t, "ak", v1alpha1.EnvironmentProduction)
	mistyped := key[:len(key)-1] + string(key[len(key)-2]) + "x"
	for name, test := range map[string]struct {
		text  string
		lines []int64
	}{
		"nothing":                          {"", nil},
		"no key":                           {"a _prod_ b ak_prod_ c", nil},
		"alone":                            {key, []int64{1}},
		"in a header":                      {"GET /\nX-API-Key: " + key + "\nHost: a\n", []int64{2}},
		"in JSON behind an escaped break":  {`{"log":"first\n` + key + `\n"}`, []int64{1}},
		"in a URL":                         {"https://a.example/?key=" + key + "&b=c", []int64{1}},
		"in a diff":                        {"-old\n+KEY=" + key + "\n", []int64{2}},
		"twice on a line":                  {key + " " + key, []int64{1, 1}},
		"side by side":                     {key + key, []int64{1, 1}},
		"followed by letters":              {key + "abc", []int64{1}},
		"after an underscore":              {"my_" + key, []int64{1}},
		"a character is wrong":             {mistyped, nil},
		"cut short":                        {key[:len(key)-1] + " ", nil},
		"another environment in its place": {strings.Replace(key, "_prod_", "_stg_", 1), nil},
		"the longest prefix":               {newKey(t, "abcdefghij", v1alpha1.EnvironmentStaging), []int64{1}},
		"letters before the longest one":   {"xyz" + newKey(t, "abcdefghij", v1alpha1.EnvironmentStaging), []int64{1}},
		"a prefix of one letter":           {"A" + newKey(t, "a", v1alpha1.EnvironmentDevelopment), []int64{1}},
		"each environment": {
			newKey(t, "ak", v1alpha1.EnvironmentProduction) + "\n" + newKey(t, "ak", v1alpha1.EnvironmentStaging) + "\n" + newKey(
				t, "ak", v1alpha1.EnvironmentDevelopment,
			),
			[]int64{1, 2, 3},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, text := range []io.Reader{
				strings.NewReader(test.text), iotest.OneByteReader(strings.NewReader(test.text)),
				iotest.DataErrReader(strings.NewReader(test.text)),
			} {
				var lines []int64
				for _, f := range scan(t, text) {
					lines = append(lines, f.Line)
				}
				if diff := cmp.Diff(test.lines, lines); diff != "" {
					t.Errorf("lines (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// oracle finds keys without chunks: it tries every place in the text.
func oracle(text string) []leak.Found {
	pattern := regexp.MustCompile("^" + keys.Pattern())
	var all []leak.Found
	taken := map[int]bool{} // ends: of several beginnings before one separator the shortest key counts
	for begin := len(text) - 1; begin >= 0; begin-- {
		key := pattern.FindString(text[begin:])
		if key != "" && keys.Check(key) == nil && !taken[begin+len(key)] {
			taken[begin+len(key)] = true
			all = append(all, leak.Found{Digest: keys.DigestOf(key), Line: int64(1 + strings.Count(text[:begin], "\n")), Offset: int64(begin)})
		}
	}
	slices.Reverse(all)

	return all
}

// The tests named TestLengthy do a small part of their work with the race detector, which has nothing to find in one goroutine. `make test` repeats
// them without it, and then they do all of it.

// distanceStep is how many distances from a border a test goes on after each.
func distanceStep() int {
	if raceDetector {
		return 23
	}

	return 1
}

// TestLengthyChunkBorders puts keys at every distance from a border between chunks.
func TestLengthyChunkBorders(t *testing.T) {
	const overlap = 1 << 10 // of two chunks
	const border = 256<<10 + overlap
	key := newKey(t, "abcdefghij", v1alpha1.EnvironmentProduction)
	for distance := -2 * keys.MaxLength; distance <= 2*keys.MaxLength; distance += distanceStep() {
		filler := bytes.Repeat([]byte("filler_prod\n"), border/12+20)
		for _, at := range []int{border + distance, border - overlap + distance, 2*border - overlap + distance} {
			if at > len(filler) {
				filler = append(filler, bytes.Repeat([]byte("filler_prod\n"), border/12+20)...)
			}
			text := string(filler[:at]) + key + "\n"
			found := scan(t, strings.NewReader(text))
			if len(found) != 1 || found[0].Offset != int64(at) || found[0].Line != int64(1+strings.Count(text[:at], "\n")) {
				t.Fatalf("a key at %d: found %+v", at, found)
			}
		}
	}
}

// FuzzScan compares with the oracle, in pieces of any size.
func FuzzScan(f *testing.F) {
	f.Add("x\n", uint64(1), uint16(7))
	f.Fuzz(func(t *testing.T, noise string, seed uint64, size uint16) {
		random := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // G404: a test that can be repeated
		var text strings.Builder
		for range random.IntN(20) {
			key := newKey(t, []string{"ak", "a", "abcdefghij"}[random.IntN(3)], v1alpha1.EnvironmentStaging)
			text.WriteString(key[random.IntN(2)*random.IntN(len(key)):])
			text.WriteString(noise)
		}
		want := oracle(text.String())
		got := scan(t, pieces{strings.NewReader(text.String()), int(size)%100 + 1})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// pieces reads a few bytes at a time.
type pieces struct {
	io.Reader

	size int
}

// Read implements io.Reader.
func (p pieces) Read(buf []byte) (int, error) { return p.Reader.Read(buf[:min(len(buf), p.size)]) }

// keyEvery is how many bytes of logText have one key.
const keyEvery = 10 << 20

// logText is a log of about this size, with a key at its start and in every tenth mebibyte.
func logText(t testing.TB, size int) []byte {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // G404: a test that can be repeated
	text := make([]byte, 0, size+1000)
	next := 0
	for len(text) < size {
		text = fmt.Appendf(
			text,
			"2026-11-26T12:%02d:%02d.%03dZ INFO gateway request_id=%016x GET /customers/%d/orders status=200 duration_ms=%d user_agent=\"curl/8.5\"\n",
			random.IntN(60),
			random.IntN(60),
			random.IntN(1000),
			random.Uint64(),
			random.IntN(1e6),
			random.IntN(900),
		)
		if len(text) >= next {
			text = append(append(text, "leaked "+newKey(t, "ak", v1alpha1.EnvironmentProduction)...), '\n')
			next += keyEvery
		}
	}

	return text
}

// TestLengthyConstantMemory scans half a gibibyte and keeps no more than a few chunks.
func TestLengthyConstantMemory(t *testing.T) {
	size, times := 64<<20, 8
	if raceDetector {
		size, times = 15<<20, 2
	}
	part := logText(t, size)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	found := 0
	for range times {
		if _, err := leak.Scan(bytes.NewReader(part), func(leak.Found) error { found++; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 16<<20 {
		t.Errorf("%d bytes were allocated", allocated)
	}
	if found != times*(size/keyEvery+1) {
		t.Errorf("found %d keys", found)
	}
}
