// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command verifier answers gateways whether a request with an API key may pass.
package main

import (
	"os"

	"github.com/apikey-operator/apikey-operator/internal/program"
	"github.com/apikey-operator/apikey-operator/internal/verifier"
)

func main() { os.Exit(program.Main("verifier", verifier.Parse, verifier.Run)) }
