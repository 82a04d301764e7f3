// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

// plugin is the path of `kubectl apikey` in the checkout.
const plugin = "bin/kubectl-apikey"

// suggestions returns the commands of the plugin that the reader may try after the tour.
func suggestions() [][]string {
	return [][]string{
		{"list", "--all-namespaces"},
		{"explain", overlapping().Name, "--namespace", overlapping().Namespace},
		{"audit", "--all-namespaces"},
	}
}

// suggestionLines returns the suggestions as lines for a shell.
func suggestionLines() []string {
	var lines []string
	for _, args := range suggestions() {
		lines = append(lines, plugin+strings.TrimPrefix(commandLine(args), "kubectl"))
	}

	return append(lines, pageLine)
}

// trySuggestions runs the suggestions, so that none is made that fails.
func (g *guide) trySuggestions(ctx context.Context, root string) error {
	run := g.kubectl
	run.program = filepath.Join(root, plugin)
	for i, args := range suggestions() {
		if _, err := run.run(ctx, args...); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}

			return fmt.Errorf("%s, which would be suggested, fails: %w", suggestionLines()[i], err)
		}
	}

	return g.tryPage(ctx, root, overlapping().Name)
}
