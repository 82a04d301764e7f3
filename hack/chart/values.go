// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The lines of the README between which the table is.
const (
	tableBegin = "<!-- values: written by `make manifests` from values.yaml -->\n"
	tableEnd   = "<!-- end of values -->\n"
)

// describedBy begins the comment of a value that the table lists. A value without such a comment is a group of values.
const describedBy = "# -- "

// tableOf returns the table of the values in a values.yaml.
func tableOf(values []byte) (string, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(values, &document); err != nil {
		return "", err
	}
	var table strings.Builder
	table.WriteString("| value | default | meaning |\n|---|---|---|\n")
	if err := addRows(&table, document.Content[0], ""); err != nil {
		return "", err
	}

	return table.String(), nil
}

// addRows adds the values of a mapping.
func addRows(table *strings.Builder, mapping *yaml.Node, path string) error {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		name, value := mapping.Content[i], mapping.Content[i+1]
		full := strings.TrimPrefix(path+"."+name.Value, ".")
		comment, found := strings.CutPrefix(name.HeadComment, describedBy)
		switch {
		case found:
			text, err := inline(value)
			if err != nil {
				return err
			}
			fmt.Fprintf(table, "| `%s` | `%s` | %s |\n", full, text, strings.ReplaceAll(comment, "\n# ", " "))
		case value.Kind == yaml.MappingNode && len(value.Content) > 0:
			if err := addRows(table, value, full); err != nil {
				return err
			}
		default:
			return fmt.Errorf("line %d: %s has no comment that begins with %q", name.Line, full, describedBy)
		}
	}

	return nil
}

// inline returns a value on one line.
func inline(value *yaml.Node) (string, error) {
	flow(value)
	text, err := yaml.Marshal(value)

	return strings.Join(strings.Fields(string(text)), " "), err
}

// flow makes a value and all below it be written in one line.
func flow(value *yaml.Node) {
	value.Style |= yaml.FlowStyle
	for _, child := range value.Content {
		if child.Kind == yaml.MappingNode || child.Kind == yaml.SequenceNode {
			flow(child)
		}
	}
}

// withTable returns a README with the table in it.
func withTable(readme, table string) (string, error) {
	before, rest, begun := strings.Cut(readme, tableBegin)
	_, after, ended := strings.Cut(rest, tableEnd)
	if !begun || !ended {
		return "", errors.New("the lines are missing between which the table of values is: " + strings.TrimSpace(tableBegin+tableEnd))
	}

	return before + tableBegin + "\n" + table + "\n" + tableEnd + after, nil
}
