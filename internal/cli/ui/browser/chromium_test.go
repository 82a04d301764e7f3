// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// foreignHost resolves to loopback in the browser, as the name of an attacker's page does after DNS rebinding.
const foreignHost = "attacker.example"

// theBrowser is one Chromium process for all tests. Each test has a browser context of its own, with its own cookies.
var theBrowser struct {
	once sync.Once
	ctx  context.Context
	err  error
	stop func() error
}

// newTab opens a tab in a fresh browser context.
func newTab(t *testing.T) *tab {
	t.Helper()

	return openTab(t, chromium(t), chromedp.WithNewBrowserContext())
}

// chromium returns the context of the browser, which the first test that needs it starts.
func chromium(t *testing.T) context.Context {
	t.Helper()
	path := testkit.FindProgram(t, "chromium", "chromium", "chromium-browser", "google-chrome")
	theBrowser.once.Do(func() { startChromium(path) })
	if theBrowser.err != nil {
		t.Fatal(theBrowser.err)
	}

	return theBrowser.ctx
}

// startChromium starts the browser. Its profile is in a temporary folder, which goes with the process.
func startChromium(path string) {
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.Flag("host-resolver-rules", "MAP "+foreignHost+" 127.0.0.1"),
		chromedp.Flag("disable-gpu", true),
	)
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ := chromedp.NewContext(allocator)
	theBrowser.ctx = ctx //nolint:fatcontext // it lives as long as the browser
	if err := chromedp.Do(ctx); err != nil {
		theBrowser.err = fmt.Errorf("start %s: %w", path, err)
	}
	theBrowser.stop = func() error {
		defer end()

		return chromedp.Cancel(ctx)
	}
}

// stopChromium ends the browser and waits for that.
func stopChromium() error {
	if theBrowser.stop == nil {
		return nil
	}

	return theBrowser.stop()
}
