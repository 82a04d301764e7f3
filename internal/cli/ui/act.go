// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"net/http"
	"strings"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/cli/values"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// act returns the view that carries out an action on a key.
func (s *server) act(name string) view {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := readForm(w, r); err != nil {
			return err
		}
		apikey, err := s.read(r)
		if err != nil {
			return err
		}
		form := newActionForm(name, apikey, s.Service.Clock.Now())
		if form == nil || r.PostForm.Get("seen") != form.Seen {
			return s.refuseStale(w, r, apikey, form)
		}
		if wrong := form.take(r, apikey); wrong != "" {
			form.Field.Wrong = wrong

			return s.renderKey(w, r, http.StatusUnprocessableEntity, apikey, form)
		}
		if name == actRotate {
			return s.rotate(w, r, apikey, form)
		}
		to, done, err := s.carryOut(r, name, apikey, form)
		if err != nil {
			return s.renderProblem(w, r, apikey, form, err)
		}

		return s.redirect(w, r, to, done)
	}
}

// readForm reads a form. It lifts the time limit for reading once all has arrived.
func readForm(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	arrived(w)

	return nil
}

// take reads what a person has typed, and returns what is wrong with it; empty: nothing.
func (f *actionForm) take(r *http.Request, apikey *v1alpha1.APIKey) (wrong string) {
	for i := range f.Overlaps {
		f.Overlaps[i].Chosen = f.Overlaps[i].Value == r.PostForm.Get("overlap")
	}
	if f.Field == nil {
		return ""
	}
	f.Field.Value = strings.TrimSpace(r.PostForm.Get("value"))
	if keys.Redact(f.Field.Value) != f.Field.Value {
		f.Field.Value = "" // the page does not repeat it, and no request carries it on

		return "This is an API key, which only its Secret may hold. Nothing was changed; if others may have seen it, regenerate that key."
	}
	if f.Action == actDelete && f.Field.Value != apikey.Name {
		return "This is not the name of the key. Nothing was deleted."
	}

	return ""
}

// refuseStale answers where the key is no longer as the person saw it. The form shows it as it is now.
func (s *server) refuseStale(w http.ResponseWriter, r *http.Request, apikey *v1alpha1.APIKey, form *actionForm) error {
	if form == nil {
		return s.redirect(w, r, keyPath(operations.NameOf(apikey)),
			flash{toneWarn, "Nothing was changed.", "The key has changed, and there is nothing to do any more."})
	}
	form.Problem = &failure{
		Title: "Nothing was changed", Text: "The key has changed since you opened this form. Look at it as it is now, and decide again.",
	}

	return s.renderKey(w, r, http.StatusConflict, apikey, form)
}

// renderProblem answers with the form and why the cluster has refused it.
func (s *server) renderProblem(w http.ResponseWriter, r *http.Request, apikey *v1alpha1.APIKey, form *actionForm, err error) error {
	f := failureOf(err)
	form.Problem = &f

	return s.renderKey(w, r, f.Status, apikey, form)
}

// carryOut changes a key, and returns where to go next and what to say there.
func (s *server) carryOut(r *http.Request, name string, apikey *v1alpha1.APIKey, form *actionForm) (to string, done flash, err error) {
	title := summarize(apikey).title()
	if name == actDelete {
		return "/", flash{toneOK, title + " is deleted.", "Its key has stopped."}, s.Service.Delete(r.Context(), apikey, false)
	}
	change, done := operations.Suspend(), flash{toneOK, "The key is disabled.", "Verifiers refuse it until it is enabled again."}
	switch name {
	case actRename:
		change, done = operations.Rename(form.Field.Value), flash{toneOK, "The key has a new name.", ""}
	case actResume:
		change, done = operations.Resume(), flash{toneOK, "The key is enabled.", "Verifiers accept it again."}
	case actRevoke:
		change, done = operations.Revoke(), flash{toneOK, "The key is revoked for good.", "Its history stays here."}
	}
	_, err = s.Service.Apply(r.Context(), apikey, change, false)

	return keyPath(operations.NameOf(apikey)), done, err
}

// rotate asks for a new key, and leads to the view that shows it once.
func (s *server) rotate(w http.ResponseWriter, r *http.Request, apikey *v1alpha1.APIKey, form *actionForm) error {
	overlap := v1alpha1.Duration("")
	if text := r.PostForm.Get("overlap"); text != "" {
		length, span, err := values.Span(text)
		if err != nil {
			return s.renderProblem(w, r, apikey, form, err)
		}
		if overlap = span; length == 0 {
			overlap = "0s"
		}
	}
	request, name, err := s.Service.NewRotateRequest(overlap)
	if err != nil {
		return s.renderProblem(w, r, apikey, form, err)
	}
	after, err := s.Service.Apply(r.Context(), apikey, operations.Rotate(request), false)
	if err != nil {
		return s.renderProblem(w, r, apikey, form, err)
	}

	return s.showKey(w, r, after, name)
}
