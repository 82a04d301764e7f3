// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"testing"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// TestKeyboard creates a key with the keyboard alone.
func TestKeyboard(t *testing.T) {
	p := newAdministrator(t, "keyboard")
	tb, _ := p.browse()
	tb.tabTo("a.primary[href='/create']")
	tb.keys("\r")
	tb.untilAt("/create")
	tb.tabTo("#displayName")
	tb.keys("N", "i", "g", "h", "t")
	tb.tabTo("input[name=environment]")
	tb.keys(" ")
	tb.tabTo("form .primary")
	tb.keys("\r")
	tb.untilText("Copy your key now")
	tb.tabTo("#stored")
	tb.keys(" ")
	tb.tabTo("[data-leave] button")
	tb.keys("\r")
	tb.untilAt(p.path("night"))
	p.untilKey("night", "is Active", func(k *v1alpha1.APIKey) bool { return k.Status.Phase == v1alpha1.PhaseActive })
}

// tabTo presses the tab key until an element has the focus.
func (tb *tab) tabTo(selector string) {
	tb.t.Helper()
	const most = 80
	for range most {
		tb.keys("\t")
		if eval[bool](tb, "document.activeElement.matches("+quoted(selector)+")") {
			return
		}
	}
	tb.t.Fatalf("%d times the tab key do not lead to %s", most, selector)
}
