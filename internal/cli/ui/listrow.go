// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// row is a line of the list.
type row struct {
	// ID finds the line again when the list is read anew.
	ID, Path, Title, Place string
	Environment            string
	Chip                   chip
	Permissions            []string
	// More is how many permissions and roles are left out.
	More            int
	Limit           string
	Expires, Used   moment
	Soon, Forgotten bool
}

// moment is a time in words, and exactly for its title; no exact one: it never comes.
type moment struct{ Words, Exact string }

// maxPermissions is how many permissions a line shows.
const maxPermissions = 3

// rowOf returns the line of a key.
func rowOf(s *summary, where scope, now time.Time) row {
	r := row{
		ID: s.name.String(), Path: keyPath(s.name), Title: s.title(), Place: s.name.Namespace + " / " + s.name.Name,
		Environment: string(s.view.Environment), Chip: chipOf(s, now), Limit: limitWords(s.view.Limit),
		Expires: expiryWords(s, now), Used: usedWords(s.view.LastUsed, now),
	}
	if where.Namespace != "" {
		r.Place = s.name.Name
	}
	for _, permission := range s.view.Permissions {
		r.Permissions = append(r.Permissions, string(permission))
	}
	for _, role := range s.view.Roles {
		r.Permissions = append(r.Permissions, "role "+string(role))
	}
	if len(r.Permissions) > maxPermissions {
		r.More = len(r.Permissions) - maxPermissions
		r.Permissions = r.Permissions[:maxPermissions]
	}
	r.Soon = !s.ended(now) && s.view.Expires != nil && s.view.Expires.Sub(now) <= expiringWithin
	r.Forgotten = !s.ended(now) && s.view.Idle(now) >= unusedFor

	return r
}

// expiryWords says when a key ends. A revoked key ended before its time.
func expiryWords(s *summary, now time.Time) moment {
	switch {
	case s.view.Ended() && s.statusAt(now) != v1alpha1.PhaseExpired:
		return moment{Words: "—"}
	case s.view.Expires == nil:
		return moment{Words: "never"}
	default:
		return moment{until(*s.view.Expires, now), exact(*s.view.Expires, now)}
	}
}

// usedWords says when a key was last used.
func usedWords(at *time.Time, now time.Time) moment {
	if at == nil {
		return moment{Words: "never"}
	}

	return moment{since(*at, now), exact(*at, now)}
}
