// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"context"
	"errors"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// onceWait is how long one request waits for the operator. The script of the view asks again after that.
const onceWait = 15 * time.Second

// The states of the view that shows a key once.
const (
	onceReady   = "ready"   // the key can be asked for
	onceWaiting = "waiting" // the operator has not made the key yet
	onceShown   = "shown"   // this answer holds the key
	onceGone    = "gone"    // the key was shown, or does not come from this page
)

// onceView is what the view that shows a key once needs.
type onceView struct {
	State string
	// Title is what people call the key; Place where it is.
	Title, Place string
	// Path is that of the key's own view, and Self that of this one.
	Path, Self string
	// Key is the plaintext; only in state shown.
	Key string
	// NoCopy tells that the cluster keeps no copy of the key.
	NoCopy bool
	// Rotated tells that the key has replaced another one.
	Rotated bool
	// Problem says why the key is not there yet.
	Problem string
}

// showKey sends the browser to the view that shows the key of an APIKey once: the first key, or for the name of a rotation the key that
// it makes.
func (s *server) showKey(w http.ResponseWriter, r *http.Request, key *v1alpha1.APIKey, rotation string) error {
	name := operations.NameOf(key)
	s.tickets.put(name, ticket{key: key, rotation: rotation})
	//nolint:gosec // G710: the path begins with /keys/, and the API server has checked the names
	http.Redirect(w, r, keyPath(name)+"/once", http.StatusSeeOther)

	return nil
}

// once answers with the view that asks for the key. It does not hold the key: this answer can be asked for again by Back and reload.
func (s *server) once(w http.ResponseWriter, r *http.Request) error {
	name := pathName(r)
	one, found := s.tickets.look(name)
	if !found {
		return s.renderOnce(w, r, http.StatusOK, goneView(name))
	}
	view := one.view()
	view.State = onceReady

	return s.renderOnce(w, r, http.StatusOK, view)
}

// reveal answers with the key, the first time that it can.
func (s *server) reveal(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	name := pathName(r)
	one, found := s.tickets.take(name)
	if !found {
		return s.renderOnce(w, r, http.StatusGone, goneView(name))
	}
	view := one.view()
	plain, err := s.readKey(r.Context(), one)
	switch {
	case err == nil:
		view.State, view.Key = onceShown, plain.Reveal()

		return s.renderOnce(w, r, http.StatusOK, view)
	case errors.Is(err, operations.ErrWaitTimeout):
		s.tickets.giveBack(name, one)
		view.State, view.Problem = onceWaiting, "The operator has not made the key within "+span(onceWait)+". Check that it runs; this page goes on waiting."

		return s.renderOnce(w, r, http.StatusAccepted, view)
	default:
		s.tickets.giveBack(name, one)

		return err
	}
}

// readKey waits until the operator has made the key of a ticket, and reads it.
func (s *server) readKey(ctx context.Context, one ticket) (keys.Key, error) {
	var ready *v1alpha1.APIKey
	var err error
	if one.rotation == "" {
		ready, err = s.Service.AwaitReady(ctx, one.key, onceWait)
	} else {
		ready, err = s.Service.AwaitRotated(ctx, one.key, one.rotation, onceWait)
	}
	if err != nil {
		return keys.Key{}, err
	}

	if ready.DeliversOnce() {
		plain, _, err := s.Service.Claim(ctx, ready)

		return plain, err
	}

	return s.Service.Reveal(ctx, ready, false)
}

// view returns the view of a ticket.
func (t ticket) view() onceView {
	summary := summarize(t.key)

	return onceView{
		Title: summary.title(), Place: summary.name.String() + ", " + string(t.key.Spec.Environment), Path: keyPath(summary.name),
		Self: keyPath(summary.name) + "/once", NoCopy: t.key.DeliversOnce(), Rotated: t.rotation != "",
	}
}

// goneView returns the view of a key that is not shown.
func goneView(name types.NamespacedName) onceView {
	return onceView{State: onceGone, Title: name.Name, Place: name.String(), Path: keyPath(name), Self: keyPath(name) + "/once"}
}

// renderOnce answers with the view. While it shows a key it offers no other way on than the one that the person confirms.
func (s *server) renderOnce(w http.ResponseWriter, r *http.Request, status int, view onceView) error {
	title := "Your new key"
	if view.State == onceGone {
		title = "Not shown again"
	}

	return s.render(w, r, status, "once", page{Title: title, Data: view, Closed: view.State != onceGone, Script: "once.js"})
}

// pathName returns the name of the APIKey that a path is about.
func pathName(r *http.Request) types.NamespacedName {
	return types.NamespacedName{Namespace: r.PathValue("namespace"), Name: r.PathValue("name")}
}
