// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"context"
	"net/http"
	"strings"

	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
)

// key answers with the view of one key. The address may name an action, whose form the view then holds.
func (s *server) key(w http.ResponseWriter, r *http.Request) error {
	apikey, err := s.read(r)
	if err != nil {
		return err
	}
	var form *actionForm
	if action := r.URL.Query().Get("do"); action != "" && !s.ReadOnly {
		if form = newActionForm(action, apikey, s.Service.Clock.Now()); form == nil {
			return errNotFound
		}
	}

	return s.renderKey(w, r, http.StatusOK, apikey, form)
}

// read returns the APIKey that the path names.
func (s *server) read(r *http.Request) (*v1alpha1.APIKey, error) {
	name, valid := nameIn(r)
	if !valid {
		return nil, errNotFound
	}

	return s.Service.Get(r.Context(), name)
}

// nameIn returns the name in a path, and whether an APIKey can have it.
func nameIn(r *http.Request) (name types.NamespacedName, valid bool) {
	name = types.NamespacedName{Namespace: r.PathValue("namespace"), Name: r.PathValue("name")}

	return name, len(apivalidation.ValidateNamespaceName(name.Namespace, false)) == 0 &&
		len(apivalidation.NameIsDNSSubdomain(name.Name, false)) == 0
}

// renderKey answers with the view of a key, and with the form of an action where there is one.
func (s *server) renderKey(w http.ResponseWriter, r *http.Request, status int, apikey *v1alpha1.APIKey, form *actionForm) error {
	now := s.Service.Clock.Now()
	path := keyPath(operations.NameOf(apikey))
	around := s.Service.Surroundings(r.Context())
	events, unread := s.Service.Events(r.Context(), apikey)
	data := newKeyView(apikey, around, now)
	data.Timeline = timelineOf(operations.Timeline(apikey, events), now)
	data.EventsUnread = unread != nil
	data.Lacking = s.lacking(r.Context(), apikey)
	if !s.ReadOnly {
		data.Actions = actionsFor(apikey, now)
	}
	if data.Form = form; form != nil {
		s.warnOf(r.Context(), form, apikey, data)
	}
	data.Explain = newExplainForm(apikey, around)
	if !isRefresh(r) {
		data.Explain.Answer = s.session.answers.take(path)
	}
	p := page{Title: data.Title, Section: "Keys", Data: data, Live: path}
	if form != nil && form.Problem != nil {
		p.Title = form.Problem.Text + " " + data.Title
	}

	return s.render(w, r, status, "key", p)
}

// lacking returns the grants for a key that the user does not have, in words. A user whose rights cannot be listed lacks none as far as
// the page knows: the guardrails judge.
func (s *server) lacking(ctx context.Context, apikey *v1alpha1.APIKey) []string {
	grants, err := s.Service.MyGrants(ctx, apikey.Namespace)
	if err != nil || grants.Incomplete {
		return nil
	}
	var lacking []string
	for _, grant := range operations.GrantsFor(apikey) {
		if !grants.Cover(grant) {
			lacking = append(lacking, grant.String())
		}
	}

	return lacking
}

// warnOf adds to a form who would notice the action.
func (s *server) warnOf(ctx context.Context, form *actionForm, apikey *v1alpha1.APIKey, data *keyView) {
	if !form.Breaks {
		return
	}
	consumers := s.Service.FindConsumers(ctx, apikey.Namespace)
	form.Used = data.Used
	form.Readers = consumers.Of(apikey)
	form.Unseen = strings.Join(consumers.Unseen, ", ")
}

// isRefresh reports whether the script of the page asks, to update parts of a view that is shown already.
func isRefresh(r *http.Request) bool { return r.Header.Get("X-Refresh") != "" }
