// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"io"

	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/internal/buildinfo"
)

// Environment is what the program gets from the operating system.
type Environment struct {
	In       io.Reader
	Out, Err io.Writer
	// InTerminal and OutTerminal tell whether In and Out are terminals.
	InTerminal, OutTerminal bool
	// Colour tells whether the terminal shows colours and the person wants them.
	Colour bool
	// Clock tells the time, and ticks while a command waits.
	Clock clock.WithTicker
	// OpenBrowser opens an address in a browser; nil: there is none.
	OpenBrowser func(ctx context.Context, address string) error
	// Build tells what the program was built from.
	Build buildinfo.Info
}
