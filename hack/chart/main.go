// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command chart writes the parts of config/chart that follow from other files: the templates of the CRDs, the guardrails and the RBAC
// from those of config, which kustomize renders too, and the table of values in its README. `make manifests` runs it.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "chart:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("got %d arguments, want one: the folder of the manifests, such as config", len(args))
	}
	config := args[0]
	for _, t := range templates() {
		text, err := t.render(config)
		if err != nil {
			return fmt.Errorf("render %s: %w", t.file, err)
		}
		if err := writeFile(filepath.Join(config, "chart", "templates", t.file), text); err != nil {
			return err
		}
	}
	values, err := os.ReadFile(filepath.Join(config, "chart", "values.yaml")) //nolint:gosec // G703: a file of the repository
	if err != nil {
		return err
	}
	table, err := tableOf(values)
	if err != nil {
		return fmt.Errorf("config/chart/values.yaml: %w", err)
	}
	readme := filepath.Join(config, "chart", "README.md")
	text, err := os.ReadFile(readme) //nolint:gosec // G703: likewise
	if err != nil {
		return err
	}
	replaced, err := withTable(string(text), table)
	if err != nil {
		return fmt.Errorf("%s: %w", readme, err)
	}

	return writeFile(readme, replaced)
}

func writeFile(file, text string) error {
	return os.WriteFile(file, []byte(text), 0o644) //nolint:gosec // G306: files of the source tree are readable by all users
}
