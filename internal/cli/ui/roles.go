// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
)

// rolesView is what the view of the APIKeyRoles needs.
type rolesView struct {
	Roles []roleRow
	// Unread tells that the user may not list roles.
	Unread bool
	// Where is the namespace for which the right to grant is told.
	Where string
}

// roleRow is one APIKeyRole.
type roleRow struct {
	Name        string
	Permissions []string
	// Used says how many keys of the page have the role, and Path leads to them.
	Used, Path string
	// Grant is "yes", "no", or empty where the API server does not say.
	Grant string
}

// roles answers with the APIKeyRoles.
func (s *server) roles(w http.ResponseWriter, r *http.Request) error {
	around := s.Service.Surroundings(r.Context())
	view := rolesView{Unread: slices.Contains(around.Unread, "APIKeyRole"), Where: s.HomeNamespace}
	if s.Namespace != "" {
		view.Where = s.Namespace
	}
	grants, err := s.Service.MyGrants(r.Context(), view.Where)
	if err != nil {
		return err
	}
	used := s.fleet.roleCounts()
	for _, name := range slices.Sorted(maps.Keys(around.Roles)) {
		row := roleRow{
			Name: string(name), Permissions: texts(around.Roles[name]), Used: plural(used[string(name)], "key"),
			Path: "/?q=" + url.QueryEscape(string(name)), Grant: "no",
		}
		switch {
		case grants.Roles.Covers(string(name)):
			row.Grant = "yes"
		case grants.Incomplete:
			row.Grant = ""
		}
		view.Roles = append(view.Roles, row)
	}

	return s.render(w, r, http.StatusOK, "roles", page{Title: "Roles", Section: "Roles", Data: view})
}

// roleCounts returns how many of the keys that were read have a role.
func (f *fleet) roleCounts() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	counts := map[string]int{}
	for _, s := range f.apikeys {
		for _, role := range s.view.Roles {
			counts[string(role)]++
		}
	}

	return counts
}
