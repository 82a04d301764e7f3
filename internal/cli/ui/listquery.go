// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// The choices of the status filter.
const (
	pickAll       = ""
	pickActive    = "active"
	pickInactive  = "inactive"
	pickExpired   = "expired"
	pickExpiring  = "expiring"
	pickUnused    = "unused"
	pickAttention = "attention"
)

const (
	expiringWithin = 30 * day
	unusedFor      = 90 * day
	pageSize       = 100
	maxSearch      = 200
)

// listQuery is what the address of the list asks for. The zero value is the whole list by name.
type listQuery struct {
	Search, Namespace, Environment, Status string
	// Sort names a column; Reverse turns its order.
	Sort    string
	Reverse bool
	// Page counts from 1; 0 is the first page too.
	Page int
}

// parseListQuery reads an address. What makes no sense is left out: the address may be an old bookmark.
func parseListQuery(values url.Values) listQuery {
	q := listQuery{
		Search: strings.TrimSpace(values.Get("q")), Namespace: values.Get("namespace"), Environment: values.Get("environment"),
		Status: values.Get("status"), Sort: values.Get("sort"),
	}
	if len(q.Search) > maxSearch {
		q.Search = strings.ToValidUTF8(q.Search[:maxSearch], "")
	}
	q.Sort, q.Reverse = strings.TrimPrefix(q.Sort, "-"), strings.HasPrefix(q.Sort, "-")
	if orderBy(q.Sort) == nil || q.Sort == columnName && !q.Reverse {
		q.Sort = ""
	}
	if page, err := strconv.Atoi(values.Get("page")); err == nil && page > 1 {
		q.Page = page
	}

	return q
}

// path returns the address of a query.
func (q listQuery) path() string {
	values := url.Values{}
	set := func(name, value string) {
		if value != "" {
			values.Set(name, value)
		}
	}
	set("q", q.Search)
	set("namespace", q.Namespace)
	set("environment", q.Environment)
	set("status", q.Status)
	set("sort", q.sort())
	if q.Page > 1 {
		values.Set("page", strconv.Itoa(q.Page))
	}
	if len(values) == 0 {
		return "/"
	}

	return "/?" + values.Encode()
}

func (q listQuery) sort() string {
	if q.Reverse {
		return "-" + cmpOr(q.Sort, columnName)
	}

	return q.Sort
}

// finds reports whether a key is one that the search and the menus ask for, whatever its status.
func (q listQuery) finds(s *summary) bool {
	if q.Namespace != "" && s.name.Namespace != q.Namespace || q.Environment != "" && string(s.view.Environment) != q.Environment {
		return false
	}
	for word := range strings.FieldsSeq(strings.ToLower(q.Search)) {
		if !strings.Contains(s.text, word) {
			return false
		}
	}

	return true
}

// picks reports whether a key belongs under a choice of the status filter.
func picks(choice string, s *summary, now time.Time) bool {
	status := s.statusAt(now)
	switch choice {
	case pickAll:
		return true
	case pickActive:
		return status == v1alpha1.PhaseActive
	case pickInactive:
		return status == v1alpha1.PhaseSuspended || status == v1alpha1.PhaseRevoked
	case pickExpired:
		return status == v1alpha1.PhaseExpired
	case pickExpiring:
		return !s.ended(now) && s.view.Expires != nil && s.view.Expires.Sub(now) <= expiringWithin
	case pickUnused:
		return !s.ended(now) && s.view.Idle(now) >= unusedFor
	case pickAttention:
		return chipOf(s, now).Tone == toneBad
	default:
		return false
	}
}
