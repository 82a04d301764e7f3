// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"context"
	"io"
)

// Run runs the verifier with a command line, for tests that look at it from outside, as a gateway does.
func Run(ctx context.Context, args []string, stdout io.Writer) error {
	o, err := parse(args, io.Discard)
	if err != nil {
		return err
	}

	return run(ctx, o, newLog(o, stdout))
}
