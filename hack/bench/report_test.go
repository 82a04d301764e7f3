// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

var update = flag.Bool("update", false, "write the golden files anew")

func sampleReport() *report {
	r := &report{
		Benchmark: "sample",
		Machine:   machine{Cores: 2, Load: 0.25, Platform: "linux/amd64", Go: "go1.26.8", Date: time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)},
	}
	r.add(figure{Key: "a.ratio", Name: "ratio", Value: 0.8734, Aim: &aim{atLeast, 0.9}, Note: "round by round 0.870, 0.877"})
	r.add(figure{Key: "a.calls", Name: "writes per mint", Value: 3, Unit: "calls/key", Aim: &aim{exactly, 3}})
	r.add(figure{Key: "a.size", Name: "heap", Value: 1234.567, Unit: "KiB"})
	r.explain("How: measured %d times.", 3)

	return r
}

func TestReportIsATableAndTheSameAsJSON(t *testing.T) {
	path := filepath.Join(t.TempDir(), "figures.json")
	t.Setenv(jsonVariable, path)
	var table bytes.Buffer
	if err := sampleReport().finish(&table); err != nil {
		t.Fatal(err)
	}
	figures, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	testkit.Golden(t, "report.txt", table.String(), *update)
	testkit.Golden(t, "report.json", string(figures), *update)
	if err := json.Unmarshal(figures, &report{}); err != nil {
		t.Error(err)
	}
}

func TestReportSaysWhereItCouldNotWrite(t *testing.T) {
	t.Setenv(jsonVariable, filepath.Join(t.TempDir(), "no-such-folder", "figures.json"))
	err := sampleReport().finish(&bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), jsonVariable) {
		t.Errorf("got error %v, want one that names %s", err, jsonVariable)
	}
}

func TestAim(t *testing.T) {
	for name, c := range map[string]struct {
		aim   *aim
		value float64
		want  bool
	}{
		"no aim is always met":             {nil, 7, true},
		"at least: above":                  {&aim{atLeast, 0.9}, 0.91, true},
		"at least: at the bound":           {&aim{atLeast, 0.9}, 0.9, true},
		"at least: below":                  {&aim{atLeast, 0.9}, 0.89, false},
		"at most: at the bound":            {&aim{atMost, 4}, 4, true},
		"at most: above":                   {&aim{atMost, 4}, 4.01, false},
		"exactly: one call in thousands":   {&aim{exactly, 3}, 3.0005, false},
		"exactly: not a call more or less": {&aim{exactly, 3}, 3, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.aim.met(c.value); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestFormatValue(t *testing.T) {
	for want, value := range map[string]float64{
		"0": 0, "3": 3, "20000": 20000, "0.900": 0.9, "0.033": 0.0333, "12.35": 12.345, "123.5": 123.45, "-1.500": -1.5,
	} {
		if got := formatValue(value); got != want {
			t.Errorf("%v: got %s, want %s", value, got, want)
		}
	}
}

// The JSON has no number for the statistics of no values.
func TestStatisticsOfNothingAreZero(t *testing.T) {
	if p, m := percentile(nil, 50), median(nil); p != 0 || m != 0 {
		t.Errorf("got %v and %v", p, m)
	}
	if p, m := percentile([]float64{50, 15, 40, 20, 35}, 99), median([]float64{9, 1, 5, 6}); p != 50 || m != 5.5 {
		t.Errorf("got %v and %v, want 50 and 5.5", p, m)
	}
}

func TestRatios(t *testing.T) {
	for name, c := range map[string]struct {
		values, others, want []float64
	}{
		"one by one":                         {[]float64{9, 8}, []float64{10, 4}, []float64{0.9, 2}},
		"what has no partner does not count": {[]float64{9, 8, 7}, []float64{10}, []float64{0.9}},
		"of nothing":                         {nil, []float64{1}, []float64{}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, ratios(c.values, c.others)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSpread(t *testing.T) {
	if got, want := spread([]float64{0.95, 0.91, 1}), "rounds 0.910 to 1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
