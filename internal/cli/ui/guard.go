// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"io"
	"log"
	"net/http"
	"strings"
	"time"
)

// discardLog drops what net/http logs about connections. It names addresses and header bytes of the client.
func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }

// contentPolicy allows the files of the server and nothing else.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'"

// guard refuses requests that do not come from the user's browser, in the order in which it must be done. Then it adds the headers that
// every answer has.
func (s *server) guard(next http.Handler) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusForbidden, "This request comes from another site.")
	}))
	protected := crossOrigin.Handler(next)

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header())
		switch {
		// An absolute target replaces the Host header in r.Host, and no browser sends one to a server that is no proxy.
		case r.URL.IsAbs(), r.URL.Host != "", r.Host != s.host:
			refuse(w, http.StatusMisdirectedRequest, "This server answers at http://"+s.host+" alone.")
		case !methodAllowed(r.Method):
			w.Header().Set("Allow", "GET, HEAD, POST")
			refuse(w, http.StatusMethodNotAllowed, "This server answers GET, HEAD and POST.")
		case len(r.RequestURI) > maxQueryBytes:
			refuse(w, http.StatusRequestURITooLong, "The address is too long.")
		case s.foreign(r):
			refuse(w, http.StatusForbidden, "This request comes from another site.")
		default:
			r.Body = http.MaxBytesReader(w, r.Body, maxBodyBytes)
			if r.ContentLength == 0 {
				arrived(w)
			}
			protected.ServeHTTP(w, r)
		}
	})
}

// arrived lifts the time limit for reading a request, which would end the context of a view that takes longer.
func arrived(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // a connection that is closed needs no limit
}

func methodAllowed(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodPost
}

// protect sets the headers that every answer has.
func protect(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "same-origin") // with no-referrer, browsers send the Origin null with the page's own forms
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
}

// foreign reports whether a browser says that another site made the request. Addresses that a person opens, by hand or from a terminal,
// have no site. /enter is open to links from everywhere: it shows nothing of the cluster.
func (s *server) foreign(r *http.Request) bool {
	if origin, sent := r.Header["Origin"]; sent && (len(origin) != 1 || origin[0] != "http://"+s.host) {
		return true
	}
	switch site := strings.Join(r.Header["Sec-Fetch-Site"], ","); site {
	case "", "same-origin", "none":
		return false
	default:
		return r.URL.Path != enterPath || r.Method == http.MethodPost
	}
}

// refuse answers without a template: the client may not be a browser of this user.
func refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") //nolint:gosec // G705: the answer is plain text, and says nothing of what the client sent
}
