// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/runtime"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// violation is what axe-core found on a page.
type violation struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML           string `json:"html"`
		FailureSummary string `json:"failureSummary"`
	} `json:"nodes"`
}

// axe is the source of axe-core.
func axe(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile(testkit.FindBuilt(t, "axe", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}

	return string(source)
}

// barriers returns what keeps people from using the page that a tab shows, by every rule of axe-core. The debugger puts axe-core into
// the page: the Content-Security-Policy lets nothing else do that.
func (tb *tab) barriers(source string) []string {
	tb.t.Helper()
	if !eval[bool](tb, "!!window.axe") {
		call(tb, runtime.Evaluate, runtime.EvaluateParams{Expression: source})
	}
	found := eval[[]violation](tb, `axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations.map(v => `+
		`({id: v.id, help: v.help, nodes: v.nodes.map(n => ({html: n.html, failureSummary: n.failureSummary}))})))`)
	var texts []string
	for _, v := range found {
		for _, node := range v.Nodes {
			texts = append(texts, fmt.Sprintf("%s (%s)\n%s\n%s", v.Help, v.ID, node.HTML, node.FailureSummary))
		}
	}

	return texts
}

// TestAxeFinds shows that axe-core runs: it finds what is wrong with a page.
func TestAxeFinds(t *testing.T) {
	source := axe(t)
	tb := newTab(t)
	tb.open("data:text/html,<html lang=en><title>x</title><main><h1>x</h1><input></main>")
	if found := tb.barriers(source); len(found) != 1 || !strings.Contains(found[0], "(label)") {
		t.Errorf("on a page whose only fault is a field without a label axe-core finds %q", found)
	}
}
