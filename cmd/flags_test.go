// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/manager"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
	"github.com/apikey-operator/apikey-operator/internal/verifier"
)

// TestREADMEHasEveryFlag compares the tables of flags in config/README.md with what --help prints. On a difference it prints the table.
func TestREADMEHasEveryFlag(t *testing.T) {
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join(root, "config", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for program, help := range map[string]func(io.Writer) error{
		"operator": func(to io.Writer) error { _, err := manager.Parse([]string{"--help"}, to); return err },
		"verifier": func(to io.Writer) error { _, err := verifier.Parse([]string{"--help"}, to); return err },
	} {
		t.Run(program, func(t *testing.T) {
			var text bytes.Buffer
			if err := help(&text); !errors.Is(err, flag.ErrHelp) {
				t.Fatal(err)
			}
			want := flagTable(program, text.String())
			if !strings.Contains(string(readme), want) {
				t.Errorf("config/README.md needs this table:\n%s", want)
			}
		})
	}
}

// flagTable returns the flags that a program prints, as a table.
func flagTable(program, help string) string {
	table := fmt.Sprintf("| flag of the %s | default | |\n|---|---|---|\n", program)
	flags := regexp.MustCompile(`(?m)^  -(\S+)(?: \S+)?\n((?:    \t.*\n)+)`)
	ending := regexp.MustCompile(` \(default "?([^")]*)"?\)$`)
	for _, found := range flags.FindAllStringSubmatch(help, -1) {
		usage := strings.Join(strings.Fields(found[2]), " ")
		value := ""
		if d := ending.FindStringSubmatch(usage); d != nil {
			value, usage = "`"+d[1]+"`", strings.TrimSuffix(usage, d[0])
		}
		table += fmt.Sprintf("| `--%s` | %s | %s |\n", found[1], value, usage)
	}

	return table
}
