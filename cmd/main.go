// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command manager runs the operator, which mints, rotates and ends the API keys that APIKey objects declare.
package main

import (
	"os"

	"github.com/apikey-operator/apikey-operator/internal/manager"
	"github.com/apikey-operator/apikey-operator/internal/program"
)

func main() { os.Exit(program.Main("manager", manager.Parse, manager.Run)) }
