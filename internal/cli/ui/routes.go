// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"embed"
	"io/fs"
	"net/http"
)

//go:embed assets templates
var files embed.FS

// section is an entry of the navigation.
type section struct{ Name, Path string }

// sections returns the navigation, in order.
func sections() []section {
	return []section{{"Keys", "/"}, {"Policies", "/policies"}, {"Roles", "/roles"}, {"Audit", "/audit"}}
}

// view answers a request with a page, or returns why it cannot; the server then answers with a page about the error.
type view func(w http.ResponseWriter, r *http.Request) error

// handler returns the handler of all routes, behind the guard.
func (s *server) handler() http.Handler {
	outer := http.NewServeMux()
	outer.Handle("GET /assets/", s.assets())
	outer.Handle("GET "+enterPath, s.page(s.enter))
	outer.Handle("POST "+sessionPath, s.page(s.begin))

	inner := http.NewServeMux()
	s.readRoutes(inner)
	if !s.ReadOnly {
		s.writeRoutes(inner)
	}
	inner.Handle("/", s.page(s.missing))
	outer.Handle("/", s.members(inner))

	return s.guard(outer)
}

// readRoutes adds the routes that change nothing.
func (s *server) readRoutes(mux *http.ServeMux) {
	mux.Handle("GET /{$}", s.page(s.list))
	mux.Handle("GET "+changesPath, s.page(s.changes))
	mux.Handle("GET /policies", s.page(s.policies))
	mux.Handle("GET /roles", s.page(s.roles))
	mux.Handle("GET /audit", s.page(s.audit))
	mux.Handle("GET /keys/{namespace}/{name}", s.page(s.key))
	mux.Handle("POST /keys/{namespace}/{name}/explain", s.page(s.explain)) // a POST, so that the key is in no address
}

// writeRoutes adds the routes that change the cluster. A read-only server does not have them.
func (s *server) writeRoutes(mux *http.ServeMux) {
	mux.Handle("GET /create", s.page(s.create))
	mux.Handle("POST /create", s.page(s.submit))
	mux.Handle("POST /create/check", s.page(s.check))
	mux.Handle("GET /keys/{namespace}/{name}/once", s.page(s.once))
	mux.Handle("POST /keys/{namespace}/{name}/once", s.page(s.reveal))
	for _, action := range []string{actRename, actRotate, actSuspend, actResume, actRevoke, actDelete} {
		mux.Handle("POST /keys/{namespace}/{name}/"+action, s.page(s.act(action)))
	}
}

// page makes a handler of a view.
func (s *server) page(v view) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := v(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

// assets serves style and script.
func (s *server) assets() http.Handler {
	sub, err := fs.Sub(files, "assets")
	if err != nil {
		return s.page(func(http.ResponseWriter, *http.Request) error { return err })
	}

	return http.StripPrefix("/assets/", http.FileServerFS(sub))
}
