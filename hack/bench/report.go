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
	"time"
	"unicode/utf8"
)

// jsonVariable names the environment variable that names the file for the figures as JSON.
const jsonVariable = "BENCH_JSON"

// A report is what a benchmark found. Its JSON form is read by programs: keys are never renamed.
type report struct {
	Benchmark string   `json:"benchmark"`
	Machine   machine  `json:"machine"`
	Figures   []figure `json:"figures"`
	// Methods say how the figures came about, where that takes more than a note.
	Methods []string `json:"methods"`
}

// machine is where and of what a report was made.
type machine struct {
	Cores int `json:"cores"`
	// Load is the load average over a minute before the start: what else the machine had to do. 0 when unknown.
	Load     float64   `json:"load"`
	Platform string    `json:"platform"`
	Go       string    `json:"go"`
	Revision string    `json:"revision,omitempty"`
	Date     time.Time `json:"date"`
}

// A figure is one measured value.
type figure struct {
	// Key names the figure for programs, such as "mint.ratio".
	Key string `json:"key"`
	// Name names the figure for people.
	Name string `json:"name"`
	// Value is in Unit.
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Aim is what the project wants the value to be; nil: the figure is for information.
	Aim *aim `json:"aim,omitempty"`
	// Met says whether the value is as Aim wants it; true without an aim.
	Met bool `json:"met"`
	// Note says what the value is made of.
	Note string `json:"note,omitempty"`
}

// An aim bounds a value.
type aim struct {
	Relation relation `json:"relation"`
	Value    float64  `json:"value"`
}

// relation is how a value relates to the bound of its aim.
type relation string

const (
	atLeast relation = "≥"
	atMost  relation = "≤"
	exactly relation = "="
)

// met says whether a value is as the aim wants it.
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

// newReport is an empty report of a benchmark on this machine.
func newReport(benchmark string) *report {
	return &report{
		Benchmark: benchmark,
		Figures:   []figure{},
		Methods:   []string{},
		Machine: machine{
			Cores:    runtime.NumCPU(),
			Load:     loadAverage(),
			Platform: runtime.GOOS + "/" + runtime.GOARCH,
			Go:       runtime.Version(),
			Revision: revision(),
			Date:     time.Now().UTC().Truncate(time.Second),
		},
	}
}

// revision is the commit that this program was built from, with "-dirty" behind it where files had changed; empty when unknown.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	var commit, suffix string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			suffix = "-dirty"
		}
	}
	if commit == "" {
		return ""
	}

	return commit + suffix
}

// loadAverage is Linux's load average over a minute; 0 when unknown.
func loadAverage() float64 {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	minute, _, _ := strings.Cut(string(data), " ")
	load, err := strconv.ParseFloat(minute, 64)
	if err != nil {
		return 0
	}

	return load
}

// add puts a figure into the report and settles whether its aim is met.
func (r *report) add(f figure) {
	f.Met = f.Aim.met(f.Value)
	r.Figures = append(r.Figures, f)
}

// explain says how figures came about.
func (r *report) explain(format string, args ...any) {
	r.Methods = append(r.Methods, fmt.Sprintf(format, args...))
}

// conclude ends a run: with the report, or with why there is none and with the figures so far.
func (r *report) conclude(stdout io.Writer, err error) error {
	if err == nil {
		return r.finish(stdout)
	}
	if len(r.Figures) > 0 { // they may have taken minutes, and may tell why it went wrong
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
	if err := os.WriteFile(path, append(data, '\n'), 0o600); err != nil { //nolint:gosec // whoever runs this names the file
		return fmt.Errorf("write the report, which %s asks for: %w", jsonVariable, err)
	}

	return nil
}

// legend says what the columns are.
const legend = `FIGURE is what was measured, VALUE the result in UNIT, and AIM what the project wants it to be; MISSED follows an aim that was
not reached. NOTE is what the value is made of: for ratios, the smallest and the largest of the rounds.`

// writeTable prints the figures as aligned columns. An aim that was missed says so.
func (r *report) writeTable(w io.Writer) error {
	rows := make([][]string, 0, 1+len(r.Figures))
	rows = append(rows, []string{"FIGURE", "VALUE", "UNIT", "AIM", "NOTE"})
	for _, f := range r.Figures {
		rows = append(rows, []string{f.Name, formatValue(f.Value), f.Unit, formatAim(f), f.Note})
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var out strings.Builder
	heading := fmt.Sprintf("bench %s: %s, %d cores, load %.1f, %s, %s %s", r.Benchmark, r.Machine.Platform, r.Machine.Cores,
		r.Machine.Load, r.Machine.Go, r.Machine.Date.Format(time.RFC3339), r.Machine.Revision)
	out.WriteString(strings.TrimSpace(heading) + "\n\n")
	for _, row := range rows {
		line := fmt.Sprintf("%-*s  %*s  %-*s  %-*s  %s",
			widths[0], row[0], widths[1], row[1], widths[2], row[2], widths[3], row[3], row[4])
		out.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	out.WriteString("\n" + legend + "\n")
	for _, method := range r.Methods {
		out.WriteString("\n" + method + "\n")
	}
	_, err := io.WriteString(w, out.String())

	return err
}

func formatAim(f figure) string {
	switch {
	case f.Aim == nil:
		return ""
	case f.Met:
		return fmt.Sprintf("%s %s", f.Aim.Relation, formatValue(f.Aim.Value))
	default:
		return fmt.Sprintf("%s %s MISSED", f.Aim.Relation, formatValue(f.Aim.Value))
	}
}

// formatValue is a value with at most three decimals, fewer where it is large.
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
