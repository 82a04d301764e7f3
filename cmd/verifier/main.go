// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command verifier answers gateways: may a request with this API key pass?
package main

import (
	"os"

	"github.com/apikey-operator/apikey-operator/internal/verifier"
)

func main() { os.Exit(verifier.Main()) }
