// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/montanaflynn/stats"
)

// jsonVariable names the environment variable that names the file for the figures as JSON.
const jsonVariable = "BENCH_JSON"

// A report is the result of a benchmark. Programs read its JSON form: keys are never renamed.
type report struct {
	Benchmark string   `json:"benchmark"`
	Machine   machine  `json:"machine"`
	Figures   []figure `json:"figures"`
	// Methods say how figures were measured, where that takes more than a note.
	Methods []string `json:"methods"`
}

// machine says where and from which commit a report was made.
type machine struct {
	Cores int `json:"cores"`
	// Load is the load average of the minute before the start; 0: unknown.
	Load     float64 `json:"load"`
	Platform string  `json:"platform"`
	Go       string  `json:"go"`
	// Revision is the commit that this program was built from, with "-dirty" behind it if files had changed; empty: unknown.
	Revision string    `json:"revision,omitempty"`
	Date     time.Time `json:"date"`
}

// A figure is one measured value.
type figure struct {
	// Key names the figure for programs, such as "mint.ratio".
	Key string `json:"key"`
	// Name names the figure in the table.
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Aim is the value that the project wants; nil: the figure is for information.
	Aim *aim `json:"aim,omitempty"`
	// Met reports whether the value reaches Aim; true without an aim.
	Met bool `json:"met"`
	// Note says how the value is made up.
	Note string `json:"note,omitempty"`
}

// An aim bounds a value.
type aim struct {
	Relation relation `json:"relation"`
	Value    float64  `json:"value"`
}

// relation relates a value to the bound of its aim.
type relation string

const (
	atLeast relation = "≥"
	atMost  relation = "≤"
	exactly relation = "="
)

// met reports whether a value reaches the aim.
func (a *aim) met(value float64) bool {
	switch {
	case a == nil:
		return true
	case a.Relation == atLeast:
		return value >= a.Value
	case a.Relation == atMost:
		return value <= a.Value
	default:
		return value == a.Value
	}
}

// newReport returns an empty report of a benchmark on this machine.
func newReport(benchmark string) *report {
	r := &report{Benchmark: benchmark, Figures: []figure{}, Methods: []string{}, Machine: machine{
		Cores: runtime.NumCPU(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(), Date: time.Now().UTC().Truncate(time.Second),
	}}
	if info, ok := debug.ReadBuildInfo(); ok {
		settings := map[string]string{}
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
		r.Machine.Revision = settings["vcs.revision"]
		if settings["vcs.modified"] == "true" {
			r.Machine.Revision += "-dirty"
		}
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil { // there is none but on Linux
		_, _ = fmt.Sscan(string(load), &r.Machine.Load)
	}

	return r
}

// add appends figures and settles whether their aims are met.
func (r *report) add(figures ...figure) {
	for _, f := range figures {
		f.Met = f.Aim.met(f.Value)
		r.Figures = append(r.Figures, f)
	}
}

// explain says how figures were measured.
func (r *report) explain(format string, args ...any) {
	r.Methods = append(r.Methods, fmt.Sprintf(format, args...))
}

// conclude prints the report. After an error it prints the figures so far, which may have taken minutes, and returns the error.
func (r *report) conclude(stdout io.Writer, err error) error {
	if err == nil {
		return r.finish(stdout)
	}
	if len(r.Figures) > 0 {
		err = errors.Join(err, r.writeTable(stdout))
	}

	return err
}

// finish prints the table and, where the environment asks for it, writes the figures as JSON.
func (r *report) finish(stdout io.Writer) error {
	if err := r.writeTable(stdout); err != nil {
		return err
	}
	path := os.Getenv(jsonVariable)
	if path == "" {
		return nil
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o600); err != nil { //nolint:gosec // G703: the user of this program names the file
		return fmt.Errorf("write the report, which %s asks for: %w", jsonVariable, err)
	}

	return nil
}

// legend says what the columns are.
const legend = `FIGURE is what was measured, VALUE the result in UNIT, and AIM the value that the project wants; MISSED follows an aim that
was not reached. NOTE says how the value is made up: for ratios, the smallest and the largest of the rounds.`

// writeTable prints the figures in aligned columns.
func (r *report) writeTable(w io.Writer) error {
	var out strings.Builder
	heading := fmt.Sprintf("bench %s: %s, %d cores, load %.1f, %s, %s %s", r.Benchmark, r.Machine.Platform, r.Machine.Cores,
		r.Machine.Load, r.Machine.Go, r.Machine.Date.Format(time.RFC3339), r.Machine.Revision)
	out.WriteString(strings.TrimSpace(heading) + "\n\n")
	var rows strings.Builder
	table := tabwriter.NewWriter(&rows, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "FIGURE\tVALUE\tUNIT\tAIM\tNOTE") // writes into memory do not fail
	for _, f := range r.Figures {
		aimed := ""
		if f.Aim != nil {
			aimed = fmt.Sprintf("%s %s", f.Aim.Relation, formatValue(f.Aim.Value)) + map[bool]string{false: " MISSED"}[f.Met]
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", f.Name, formatValue(f.Value), f.Unit, aimed, f.Note)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(rows.String()) {
		out.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	for _, text := range append([]string{legend}, r.Methods...) {
		out.WriteString("\n" + text + "\n")
	}
	_, err := io.WriteString(w, out.String())

	return err
}

// formatValue prints a value with at most three decimals, fewer where it is large.
func formatValue(v float64) string {
	decimals := 3
	switch a := math.Abs(v); {
	case v == math.Trunc(v):
		decimals = 0
	case a >= 100:
		decimals = 1
	case a >= 10:
		decimals = 2
	}

	return strconv.FormatFloat(v, 'f', decimals, 64)
}

// percentile returns the smallest of the values that at least p per cent of them do not exceed; 0 for no values.
func percentile(values []float64, p float64) float64 {
	return orZero(stats.PercentileNearestRank(values, p))
}

// median returns the middle value, or the mean of the two in the middle; 0 for no values.
func median(values []float64) float64 { return orZero(stats.Median(values)) }

// orZero stands for the statistics of no values, which JSON has no number for.
func orZero(value float64, err error) float64 {
	if err != nil {
		return 0
	}

	return value
}

// ratios divides values by others, one by one. Both were measured in turns, so a slow stretch of the machine slows both.
func ratios(values, others []float64) []float64 {
	each := make([]float64, min(len(values), len(others)))
	for i := range each {
		each[i] = values[i] / others[i]
	}

	return each
}

// spread returns a note with the smallest and the largest of the rounds.
func spread(values []float64) string {
	return fmt.Sprintf("rounds %s to %s", formatValue(percentile(values, 0)), formatValue(percentile(values, 100)))
}

// roundByRound lists a figure of each round.
func roundByRound(values []float64) string {
	each := make([]string, 0, len(values))
	for _, value := range values {
		each = append(each, formatValue(value))
	}

	return strings.Join(each, ", ")
}
