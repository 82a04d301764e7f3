// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	// patience is how long the browser, the control plane and the operator may take on a loaded machine.
	patience = 3 * time.Minute
	// pollInterval is how often a condition is looked at.
	pollInterval = 25 * time.Millisecond
)

// tab is a tab of the browser.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu sync.Mutex
	// problems are errors of scripts and of the console, and violations of the Content-Security-Policy.
	problems []string
	// problemsExpected tells that the test makes an unknown number of problems.
	problemsExpected bool
	// dialogs are the kinds of dialogs that came up. Each is accepted.
	dialogs []string
}

// openTab opens a tab that closes with the test. A problem that the test does not wait for fails it, unless problemsExpected is set.
//
//nolint:revive // context-as-argument: the test comes first, as everywhere
func openTab(t *testing.T, parent context.Context, options ...chromedp.ContextOption) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent, options...)
	tb := &tab{t: t, ctx: ctx}
	t.Cleanup(func() {
		if t.Failed() && ctx.Err() == nil {
			t.Logf("the tab was at %s and showed:\n%s", tb.address(), tb.text("body"))
		}
		cancel()
		for _, problem := range tb.takeProblems() {
			if !tb.problemsExpected {
				t.Errorf("the browser reports: %s", problem)
			}
		}
	})
	if err := chromedp.Do(ctx); err != nil { // opens the tab, which lives as long as this context
		t.Fatal(err)
	}
	watchEvents(tb, runtime.ExceptionThrown, func(e runtime.EventExceptionThrown) string {
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}

		return text
	})
	watchEvents(tb, cdplog.EntryAdded, func(e cdplog.EventEntryAdded) string {
		if e.Entry.Level != cdplog.EntryLevelError {
			return ""
		}

		return fmt.Sprintf("%s %s", e.Entry.Text, e.Entry.URL)
	})
	watchEvents(tb, runtime.ConsoleAPICalled, func(e runtime.EventConsoleAPICalled) string {
		if e.Type != runtime.ConsoleAPICalledTypeError {
			return ""
		}

		return fmt.Sprintf("console: %v", e.Args)
	})
	tb.acceptDialogs()

	return tb
}

// watchEvents records the events of a kind as problems. Those with an empty text are none.
func watchEvents[E any](tb *tab, kind cdp.Event[E], text func(E) string) {
	events := chromedp.Events(tb.ctx, kind)
	go func() {
		for e, err := range events {
			if err != nil {
				return
			}
			if problem := text(e); problem != "" {
				tb.mu.Lock()
				tb.problems = append(tb.problems, problem)
				tb.mu.Unlock()
			}
		}
	}()
}

// acceptDialogs accepts every dialog, such as the question whether to leave.
func (tb *tab) acceptDialogs() {
	events := chromedp.Events(tb.ctx, page.JavascriptDialogOpening)
	go func() {
		for e, err := range events {
			if err != nil {
				return
			}
			tb.mu.Lock()
			tb.dialogs = append(tb.dialogs, string(e.Type))
			tb.mu.Unlock()
			_ = chromedp.Do(tb.ctx, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
				_, err := cdp.Call(ctx, target, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})

				return err
			}))
		}
	}()
}

// second opens another tab of the same browser context.
func (tb *tab) second() *tab {
	tb.t.Helper()

	return openTab(tb.t, tb.ctx)
}

// takeProblems returns the problems so far, and forgets them.
func (tb *tab) takeProblems() []string {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	problems := tb.problems
	tb.problems = nil

	return problems
}

// awaitProblems waits until there are this many problems, and forgets them.
func (tb *tab) awaitProblems(count int) {
	tb.t.Helper()
	tb.eventually(fmt.Sprintf("the browser reports %d problems", count), func(context.Context) bool {
		tb.mu.Lock()
		defer tb.mu.Unlock()
		if len(tb.problems) < count {
			return false
		}
		tb.problems = nil

		return true
	})
}

// awaitProblem waits for a problem that holds a text, and forgets all.
func (tb *tab) awaitProblem(text string) {
	tb.t.Helper()
	tb.eventually("the browser reports "+text, func(context.Context) bool {
		tb.mu.Lock()
		defer tb.mu.Unlock()
		if !slices.ContainsFunc(tb.problems, func(problem string) bool { return strings.Contains(problem, text) }) {
			return false
		}
		tb.problems = nil

		return true
	})
}

// do runs actions.
func (tb *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		tb.t.Fatal(err)
	}
}

// call sends a command of the protocol.
func call[P, R any](tb *tab, command cdp.Command[P, R], params P) R {
	tb.t.Helper()
	result, err := chromedp.Run(tb.ctx, func(ctx context.Context, target *chromedp.Target) (R, error) {
		return cdp.Call(ctx, target, command, params)
	})
	if err != nil {
		tb.t.Fatal(err)
	}

	return result
}

// open goes to an address and waits until the document has loaded.
func (tb *tab) open(address string) {
	tb.t.Helper()
	tb.do(chromedp.Navigate(address))
}

// try evaluates a JavaScript expression, which may be a promise. While a document is being replaced there is an error.
func try[T any](tb *tab, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	var value T
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](
		"(async () => JSON.stringify(await ("+expression+")) ?? 'null')()", chromedp.EvalAwaitPromise))
	if err != nil {
		return value, err
	}

	return value, json.Unmarshal([]byte(text), &value)
}

// eval evaluates a JavaScript expression, which may be a promise.
func eval[T any](tb *tab, expression string) T {
	tb.t.Helper()
	var value T
	var err error
	if waitErr := wait.PollUntilContextTimeout(tb.ctx, pollInterval, patience, true, func(context.Context) (bool, error) {
		value, err = try[T](tb, expression)

		return err == nil || !strings.Contains(err.Error(), "context"), nil // the document is being replaced
	}); waitErr != nil || err != nil {
		tb.t.Fatalf("%s: %v, %v", expression, waitErr, err)
	}

	return value
}

// eventually waits until a condition holds.
func (tb *tab) eventually(what string, holds func(ctx context.Context) bool) {
	tb.t.Helper()
	eventually(tb.t, what, holds)
}

// until waits until a JavaScript expression is true.
func (tb *tab) until(expression string) {
	tb.t.Helper()
	tb.eventually(expression, func(context.Context) bool {
		holds, err := try[bool](tb, "!!("+expression+")")

		return err == nil && holds
	})
}

// untilText waits until the page shows a text.
func (tb *tab) untilText(text string) {
	tb.t.Helper()
	tb.until("document.body && document.body.innerText.includes(" + quoted(text) + ")")
}

// untilAt waits until the document of a path has loaded.
func (tb *tab) untilAt(path string) {
	tb.t.Helper()
	tb.until("location.pathname === " + quoted(path) + " && document.readyState === 'complete'")
}

// click clicks the first visible element of a CSS selector with the mouse.
func (tb *tab) click(selector string) {
	tb.t.Helper()
	tb.mouse(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible, chromedp.NodeEnabled))
}

// press clicks the button or link that says exactly this.
func (tb *tab) press(label string) {
	tb.t.Helper()
	path := fmt.Sprintf(`//*[self::button or self::a or self::summary or self::label][normalize-space(.)=%q]`, label)
	tb.mouse(chromedp.Click(chromedp.Search(path), chromedp.NodeVisible, chromedp.NodeEnabled))
}

// mouse clicks. A live update may replace the element between finding and clicking it; then nothing was clicked, and it is found again.
func (tb *tab) mouse(click chromedp.Action[chromedp.Void]) {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	for {
		err := chromedp.Do(ctx, click)
		if err == nil {
			return
		}
		if !strings.Contains(err.Error(), "Could not find node") && !strings.Contains(err.Error(), "detached") {
			tb.t.Fatal(err)
		}
	}
}

// fill types a text into an emptied field.
func (tb *tab) fill(selector, text string) {
	tb.t.Helper()
	tb.do(
		chromedp.WaitVisible(chromedp.CSS(selector)), chromedp.Focus(chromedp.CSS(selector)),
		chromedp.KeyEvent("a", chromedp.KeyModifiers(chromedp.ModifierCtrl)), chromedp.KeyEvent(kb.Delete),
		chromedp.KeyEvent(text),
	)
}

// keys presses keys, one after the other.
func (tb *tab) keys(keys ...string) {
	tb.t.Helper()
	for _, key := range keys {
		tb.do(chromedp.KeyEvent(key))
	}
}

// text returns what an element shows.
func (tb *tab) text(selector string) string {
	tb.t.Helper()

	return eval[string](tb, "document.querySelector("+quoted(selector)+")?.innerText ?? ''")
}

// source returns the whole document as HTML.
func (tb *tab) source() string {
	tb.t.Helper()

	return eval[string](tb, "document.documentElement.outerHTML + [...document.querySelectorAll('input,textarea,output')].map(e => e.value).join(' ')")
}

// address returns the address of the document.
func (tb *tab) address() string {
	tb.t.Helper()

	return eval[string](tb, "location.href")
}

// look sets the size of the view, and the colour scheme: light or dark.
func (tb *tab) look(width, height int64, scheme string) {
	tb.t.Helper()
	tb.do(chromedp.EmulateViewport(width, height))
	call(tb, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
}

// quoted returns a text as a JavaScript string.
func quoted(text string) string {
	literal, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string can be marshalled
	}

	return string(literal)
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func(ctx context.Context) bool) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(t.Context(), pollInterval, patience, true, func(ctx context.Context) (bool, error) {
		return holds(ctx), nil
	}); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}
