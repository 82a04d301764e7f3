// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"context"
	"testing"
)

// StartFor starts a control plane that ends with the test.
func StartFor(t testing.TB, opts Options) *ControlPlane {
	t.Helper()
	plane, err := Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plane.Stop(); err != nil {
			t.Error(err)
		}
	})

	return plane
}

// RunOperatorFor runs the operator until the test ends.
func (c *ControlPlane) RunOperatorFor(t testing.TB) {
	t.Helper()
	stop, err := c.RunOperator(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
