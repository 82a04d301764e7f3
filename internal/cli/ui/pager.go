// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import "fmt"

// pager leads through a list of several pages.
type pager struct {
	// Words tell which lines are shown.
	Words string
	// Previous and Next are addresses; empty: there is no such page.
	Previous, Next string
}

// pagesOf returns the pager for a number of lines, and moves a query that is beyond the end to the last page. nil: one page holds all.
func pagesOf(lines int, q *listQuery) *pager {
	last := max((lines+pageSize-1)/pageSize, 1)
	q.Page = min(max(q.Page, 1), last)
	if last == 1 {
		return nil
	}
	p := &pager{Words: fmt.Sprintf("%s to %s of %s",
		number((q.Page-1)*pageSize+1), number(min(q.Page*pageSize, lines)), number(lines))}
	if q.Page > 1 {
		previous := *q
		previous.Page--
		p.Previous = previous.path()
	}
	if q.Page < last {
		next := *q
		next.Page++
		p.Next = next.path()
	}

	return p
}
