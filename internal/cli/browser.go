// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"os/exec"
	"runtime"
	"time"
)

// identityTimeout is how long the page waits for the name of the user before it opens without one.
const identityTimeout = 3 * time.Second

// OpenBrowser opens an address in the browser of the person, and does not wait for the browser to end.
func OpenBrowser(ctx context.Context, address string) error {
	program, args := "xdg-open", []string{address}
	switch runtime.GOOS {
	case "darwin":
		program = "open"
	case "windows":
		program, args = "rundll32", []string{"url.dll,FileProtocolHandler", address}
	}
	// The browser outlives the command.
	opener := exec.CommandContext(context.WithoutCancel(ctx), program, args...) //nolint:gosec // G204: the address is the server's own
	if err := opener.Start(); err != nil {
		return err
	}
	go func() { _ = opener.Wait() }() // a browser that fails says so itself

	return nil
}
