// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package output

import (
	"io"
	"strings"

	"k8s.io/cli-runtime/pkg/printers"
)

// Table prints rows in columns. Rows appear with each Flush; the columns are as wide as all rows so far need.
type Table struct {
	writer interface {
		io.Writer
		Flush() error
	}
	colour bool
}

// NewTable prints the header, which appears with the first Flush. With colour, cells may have one.
func NewTable(w io.Writer, colour bool, header ...string) *Table {
	t := &Table{writer: printers.GetNewTabWriter(w), colour: colour}
	if len(header) > 0 {
		cells := make([]Cell, len(header))
		for i := range header {
			cells[i] = Cell{Text: header[i]}
		}
		_ = t.Row(cells...)
	}

	return t
}

// Row adds a row.
func (t *Table) Row(cells ...Cell) error {
	texts := make([]string, len(cells))
	for i, cell := range cells {
		texts[i] = cell.Colour.paint(Clean(cell.Text), t.colour)
	}
	_, err := io.WriteString(t.writer, strings.Join(texts, "\t")+"\n")

	return err
}

// Flush prints the rows that were added.
func (t *Table) Flush() error { return t.writer.Flush() }

// Cell is one field of a row.
type Cell struct {
	Text   string
	Colour Colour
}

// Plain returns a cell without a colour.
func Plain(text string) Cell { return Cell{Text: text} }

// Colour is a colour of the terminal. The zero value is the terminal's own.
type Colour uint8

// The colours.
const (
	Default Colour = iota
	Red
	Green
	Yellow
	Cyan
)

// Paint returns a text in a colour, if colours are on.
func Paint(text string, colour Colour, on bool) string {
	if !on || colour == Default {
		return text
	}

	return colour.paint(text, on)
}

// paint adds the same number of characters for every colour, also the default one: the table counts them as
// visible, so its columns are straight only where all cells have as many.
func (c Colour) paint(text string, on bool) string {
	if !on {
		return text
	}
	code := map[Colour]string{Default: "39", Red: "31", Green: "32", Yellow: "33", Cyan: "36"}[c]

	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
