// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier_test

import (
	"flag"
	"os"
	"testing"
)

// atOnceAtMost is how many parallel tests run at once. They wait for gateways and outages and need little of a processor, whatever the number of processors.
const atOnceAtMost = "8"

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", atOnceAtMost); err != nil {
		panic(err)
	}
	os.Exit(m.Run()) //nolint:forbidigo // TestMain ends the process
}
