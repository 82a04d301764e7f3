//go:build e2e

// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"os"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
	. "github.com/onsi/gomega"
)

// row is a requirement and what was measured for it.
type row struct{ what, required, measured, verdict string }

// rows are the requirements in the order in which the run reached them.
var rows []*row

// requirement adds a row. It is missed until a figure meets it.
func requirement(what, required string) *row {
	r := &row{what, required, "not measured", "MISSED"}
	rows = append(rows, r)

	return r
}

// is notes what was measured and fails the spec unless that meets the requirement.
func (r *row) is(met bool, format string, values ...any) {
	GinkgoHelper()
	r.measured = fmt.Sprintf(format, values...)
	if met {
		r.verdict = "met"
	}
	Expect(met).To(BeTrue(), "%s: %s, required %s", r.what, r.measured, r.required)
}

// note notes a duration. The spec fails later, so that it can note more of them.
func (r *row) note(took, limit time.Duration) {
	r.measured = fmt.Sprintf("%.1f s", took.Seconds())
	if took <= limit {
		r.verdict = "met"
	}
}

// within notes a duration and fails the spec if it is longer than the limit.
func (r *row) within(took, limit time.Duration) {
	GinkgoHelper()
	r.note(took, limit)
	Expect(took).To(BeNumerically("<=", limit), r.what)
}

// leaveOut notes why a requirement cannot be measured on this cluster.
func (r *row) leaveOut(reason string) { r.measured, r.verdict = reason, "not run" }

// The table is printed whatever the verbosity, also if specs failed. How long each spec took follows.
var _ = ReportAfterSuite("table", func(report Report) {
	lines := []string{"", "| what | required | measured | |", "|---|---|---|---|"}
	for _, r := range rows {
		lines = append(lines, fmt.Sprintf("| %s | %s | %s | %s |", r.what, r.required, r.measured, r.verdict))
	}
	lines = append(lines, "")
	for _, spec := range report.SpecReports {
		if spec.LeafNodeType == types.NodeTypeIt && spec.RunTime > 0 {
			lines = append(lines, fmt.Sprintf("%4.0f s  %s", spec.RunTime.Seconds(), spec.FullText()))
		}
	}
	_, _ = fmt.Fprintln(os.Stdout, strings.Join(lines, "\n"))
})
