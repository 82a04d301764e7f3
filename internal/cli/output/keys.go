// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package output

import (
	"io"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
)

// KeyTable prints a row for each APIKey.
type KeyTable struct {
	table            *Table
	namespaces, wide bool
}

// NewKeyTable prints the header: with the namespace of each APIKey, and in a wide table with more columns.
func NewKeyTable(w io.Writer, colour, namespaces, wide bool) *KeyTable {
	header := []string{"NAME", "DISPLAY NAME", "ENVIRONMENT", "STATUS", "PERMISSIONS", "LIMIT", "EXPIRES IN", "LAST USED", "AGE"}
	if namespaces {
		header = append([]string{"NAMESPACE"}, header...)
	}
	if wide {
		header = append(header, "OWNER", "SECRET", "DELIVERY", "MESSAGE")
	}

	return &KeyTable{table: NewTable(w, colour, header...), namespaces: namespaces, wide: wide}
}

// Row adds an APIKey.
func (t *KeyTable) Row(view *operations.View, now time.Time) error {
	expires := In(view.Expires, now)
	if view.Ended() {
		expires = "ended"
	}
	row := []Cell{
		Plain(view.Name), Plain(orNone(view.DisplayName)), Plain(string(view.Environment)), Status(view.Status),
		Plain(Permissions(view.Permissions, view.Roles)), Plain(Limit(view.Limit)), Plain(expires),
		Plain(Ago(view.LastUsed, now)), Plain(Ago(&view.Created, now)),
	}
	if t.namespaces {
		row = append([]Cell{Plain(view.Namespace)}, row...)
	}
	if t.wide {
		row = append(row, Plain(orNone(view.Owner)), Plain(orNone(view.Secret)), Plain(Delivery(view.Delivery, now)),
			Plain(orNone(view.Message)))
	}

	return t.table.Row(row...)
}

// Flush prints the rows that were added.
func (t *KeyTable) Flush() error { return t.table.Flush() }

// Delivery says how far the delivery of a key is.
func Delivery(d operations.Delivery, now time.Time) string {
	switch {
	case !d.Once:
		return "kept"
	case d.Missed:
		return "not claimed in time"
	case d.ClaimedAt != nil:
		return "claimed " + Ago(d.ClaimedAt, now) + " ago"
	case d.Deadline != nil:
		return "to be claimed within " + In(d.Deadline, now)
	default:
		return "once"
	}
}

// orNone returns what kubectl prints for a field that is not set.
func orNone(text string) string {
	if text == "" {
		return "<none>"
	}

	return text
}
