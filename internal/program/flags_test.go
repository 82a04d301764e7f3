// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package program

import (
	"errors"
	"flag"
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/buildinfo"
)

// TestVersionFlag prints the version, and lets the program end as after --help.
func TestVersionFlag(t *testing.T) {
	for _, args := range [][]string{{"--version"}, {"-version"}, {"--log-level=DEBUG", "--version=true"}} {
		var common Common
		fs := flag.NewFlagSet("manager", flag.ContinueOnError)
		common.Bind(fs)
		var said strings.Builder
		if err := Parse(fs, "purpose", args, &said); !errors.Is(err, flag.ErrHelp) || said.String() != "manager "+buildinfo.Read().String()+"\n" {
			t.Errorf("%v: %v, printed %q", args, err, said.String())
		}
	}
}
