// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"context"
	"io"

	"github.com/apikey-operator/apikey-operator/internal/program"
)

// RunCommand runs the verifier with a command line, for tests that use it from outside, as a gateway does.
func RunCommand(ctx context.Context, args []string, stdout io.Writer) error {
	o, err := Parse(args, io.Discard)
	if err != nil {
		return err
	}

	return serve(ctx, o, program.NewLog(o.Level(), stdout))
}
