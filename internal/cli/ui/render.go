// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// page is what a view hands to its template.
type page struct {
	// Title of the document and Section of the navigation that the page belongs to, such as "Keys"; no Section: none.
	Title, Section string
	// Data is what the template of the view needs.
	Data any
	// Note is a message above the content. Without one the page shows the message that was left for its path.
	Note *flash
	// Closed leaves out the navigation: the view itself offers the way on.
	Closed bool
	// Script is the file of the script that only this view needs; empty: none.
	Script string
	// Live is the address that the script reads again when something changes; empty: that of the browser.
	Live string
}

// frame is what the layout needs beside the page.
type frame struct {
	page

	Sections      []section
	User, Cluster string
	ReadOnly      bool
	// Member tells that the browser belongs to the session; a stranger sees no navigation.
	Member bool
}

// parseViews parses every template file with the layout and the shared parts. A view is known by the name of its file, and defines
// "content".
func parseViews() (map[string]*template.Template, error) {
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	views := map[string]*template.Template{}
	for _, file := range names {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name == "layout" || name == "parts" {
			continue
		}
		view, err := template.New("layout.html").Funcs(helpers()).Option("missingkey=error").
			ParseFS(files, "templates/layout.html", "templates/parts.html", file)
		if err != nil {
			return nil, err
		}
		views[name] = view
	}

	return views, nil
}

// pair hands two values to a template.
type pair struct{ First, Second any }

func newPair(first, second any) pair { return pair{first, second} }

// helpers are functions for templates that pass more than one value on.
func helpers() template.FuncMap {
	return template.FuncMap{
		"pair": newPair,
		"field": func(name string, problems map[string]string) any {
			return struct{ Field, Text string }{name, problems[name]}
		},
		"offering": func(name string, list []offer) any {
			return struct {
				Field  string
				Offers []offer
			}{name, list}
		},
	}
}

// render answers with a view. It renders before it writes, so a template that fails leaves no half page.
func (s *server) render(w http.ResponseWriter, r *http.Request, status int, name string, p page) error {
	v, found := s.views[name]
	if !found {
		return fmt.Errorf("there is no view %q", name)
	}
	member := s.session.owns(r)
	if p.Note == nil && member && !isRefresh(r) {
		p.Note = s.session.flashes.take(r.URL.Path)
	}
	var text bytes.Buffer
	err := v.Execute(&text, frame{
		page: p, Sections: sections(), User: s.User, Cluster: s.Cluster, ReadOnly: s.ReadOnly, Member: member,
	})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(text.Bytes()) // the browser has gone

	return nil
}

// show renders a view that has nothing that can fail.
func (s *server) show(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	if err := s.render(w, r, status, name, p); err != nil {
		refuse(w, http.StatusInternalServerError, "The page cannot be shown: "+err.Error())
	}
}

// redirect sends the browser to a path after a change, with a message for the person.
func (s *server) redirect(w http.ResponseWriter, r *http.Request, to string, f flash) error {
	s.session.flashes.leave(to, f)
	http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // G710: the path is one of this server

	return nil
}
