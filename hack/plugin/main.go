// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command plugin writes what is generated for kubectl apikey: the reference of its commands and the rules for secret scanners.
package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/apikey-operator/apikey-operator/internal/cli"
	"github.com/apikey-operator/apikey-operator/internal/cli/leak"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: plugin REFERENCE RULES-FOLDER")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "plugin:", err)
		os.Exit(1)
	}
}

// write writes the reference, and the rules into a folder.
func write(reference, rules string) error {
	var page bytes.Buffer
	if err := cli.Reference(&page); err != nil {
		return err
	}
	if err := os.WriteFile(reference, page.Bytes(), 0o644); err != nil { //nolint:gosec // G306: a file of the repository
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(leak.Rules())) {
		if err := os.WriteFile(filepath.Join(rules, name), []byte(leak.Rules()[name]), 0o644); err != nil { //nolint:gosec // G306: likewise
			return err
		}
	}

	return nil
}
