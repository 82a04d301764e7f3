// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// scope is what a list is about, whatever the address says.
type scope struct {
	// Namespace is the only namespace of the list; empty: all.
	Namespace string
	ReadOnly  bool
}

// listView is what the list shows.
type listView struct {
	Query listQuery
	Scope scope
	// Count tells in words how many keys there are.
	Count   string
	Columns []column
	Picks   []pick
	Rows    []row
	// Namespaces and Environments are the entries of the menus.
	Namespaces, Environments []string
	// Pages is nil where one page holds everything.
	Pages *pager
	// Empty says why there is no row; nil: there are rows.
	Empty *empty
	// Loading tells that the list is still being read.
	Loading bool
	// State says how far the list can be relied on; nil: it is up to date.
	State *flash
}

// column is a head of the table.
type column struct {
	Name, Path string
	// Sort is "ascending" or "descending" where the list is ordered by this column; otherwise it is empty.
	Sort string
}

// pick is a choice of the status filter.
type pick struct {
	Name, Path, Count string
	Current           bool
}

// empty is an empty list. Action leads out of it, where there is a way.
type empty struct{ Title, Text, Action, Path string }

// newListView returns the page of a list that a query asks for.
func newListView(all []*summary, q listQuery, where scope, now time.Time) *listView {
	v := &listView{Query: q, Scope: where, Namespaces: namespacesOf(all), Columns: columnsFor(q), Environments: environments()}
	v.Count = countWords(len(all), v.Namespaces, where)
	found := slices.DeleteFunc(slices.Clone(all), func(s *summary) bool { return !q.finds(s) })
	v.Picks = picksFor(found, q, now)
	found = slices.DeleteFunc(found, func(s *summary) bool { return !picks(q.Status, s, now) })
	sortBy(found, q, now)
	v.Pages = pagesOf(len(found), &q)
	first := min(max(q.Page-1, 0)*pageSize, len(found))
	for _, s := range found[first:min(first+pageSize, len(found))] {
		v.Rows = append(v.Rows, rowOf(s, where, now))
	}
	if len(found) == 0 {
		v.Empty = emptyFor(len(all), where)
	}

	return v
}

// environments returns the names of the environments, in the order of menus.
func environments() []string {
	return []string{
		string(v1alpha1.EnvironmentProduction), string(v1alpha1.EnvironmentStaging), string(v1alpha1.EnvironmentDevelopment),
	}
}

// sortBy orders keys by the column that a query names, and by name where that is equal.
func sortBy(found []*summary, q listQuery, now time.Time) {
	order := orderBy(cmp.Or(q.Sort, columnName))
	slices.SortFunc(found, func(a, b *summary) int {
		byName := cmp.Or(
			strings.Compare(strings.ToLower(a.title()), strings.ToLower(b.title())), strings.Compare(a.name.String(), b.name.String()),
		)
		c := order(a, b, now)
		if q.Sort == "" || q.Sort == columnName {
			c = byName
		}
		if q.Reverse {
			c = -c
		}

		return cmp.Or(c, byName)
	})
}

func namespacesOf(all []*summary) []string {
	found := map[string]bool{}
	var names []string
	for _, s := range all {
		if !found[s.name.Namespace] {
			found[s.name.Namespace] = true
			names = append(names, s.name.Namespace)
		}
	}
	slices.Sort(names)

	return names
}

func countWords(n int, namespaces []string, where scope) string {
	switch {
	case where.Namespace != "":
		return number(n) + " in " + where.Namespace
	case len(namespaces) == 1:
		return number(n) + " in 1 namespace"
	default:
		return number(n) + " in " + number(len(namespaces)) + " namespaces"
	}
}

// columnsFor returns the heads of the table. Pressing the head of the column in order turns the order.
func columnsFor(q listQuery) []column {
	current := cmp.Or(q.Sort, columnName)
	var columns []column
	for _, c := range []struct{ name, key string }{
		{"Name", columnName}, {"Environment", columnEnvironment}, {"Status", columnStatus}, {"Permissions", columnPermissions},
		{"Limit", columnLimit}, {"Expires", columnExpires}, {"Last used", columnUsed},
	} {
		next := q
		next.Page, next.Sort, next.Reverse = 0, c.key, c.key == current && !q.Reverse
		if c.key == columnName {
			next.Sort = ""
		}
		head := column{Name: c.name, Path: next.path()}
		if c.key == current {
			head.Sort = "ascending"
			if q.Reverse {
				head.Sort = "descending"
			}
		}
		columns = append(columns, head)
	}

	return columns
}

// picksFor returns the choices of the status filter, with how many keys each leads to.
func picksFor(found []*summary, q listQuery, now time.Time) []pick {
	var choices []pick
	for _, c := range []struct{ name, status string }{
		{"All", pickAll}, {"Active", pickActive}, {"Inactive", pickInactive}, {"Expired", pickExpired},
		{"Expiring", pickExpiring}, {"Unused 90 d", pickUnused}, {"Needs you", pickAttention},
	} {
		n := 0
		for _, s := range found {
			if picks(c.status, s, now) {
				n++
			}
		}
		next := q
		next.Status, next.Page = c.status, 0
		if c.status != pickAttention || n > 0 || q.Status == c.status {
			choices = append(choices, pick{Name: c.name, Path: next.path(), Count: number(n), Current: q.Status == c.status})
		}
	}

	return choices
}

// emptyFor says why there is no row.
func emptyFor(all int, where scope) *empty {
	if all > 0 {
		return &empty{
			Title: "No key matches", Text: "Nothing here has all that you asked for. Search for less, or take a filter off.",
			Action: "Show all keys", Path: "/",
		}
	}
	e := &empty{
		Title: "No keys yet", Text: "A key lets one program call the APIs behind your gateway. It works in one environment and does what you allow.",
		Action: "Create the first key", Path: "/create",
	}
	if where.Namespace != "" {
		e.Title = "No keys in " + where.Namespace
		e.Text += " Start with -A to see the keys of all namespaces."
	}
	if where.ReadOnly {
		e.Action, e.Path = "", ""
	}

	return e
}
