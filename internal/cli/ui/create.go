// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
)

// maxChecks is how many forms the API server judges at a time. The script of the form has one request under way.
const maxChecks = 2

// createView is what the form needs.
type createView struct {
	Form   createForm
	Offers offers
	// Namespaces are those to choose from; FixedNamespace tells that the page is about one alone.
	Namespaces     []string
	FixedNamespace bool
	formChoices

	// Problems are about fields, by their names.
	Problems map[string]string
	Verdict  verdict
	YAML     string
}

// create answers with the empty form.
func (s *server) create(w http.ResponseWriter, r *http.Request) error {
	namespace := s.HomeNamespace
	if s.Namespace != "" {
		namespace = s.Namespace
	}
	around := s.Service.Surroundings(r.Context())
	form := newCreateForm(namespace)
	form.Expires = defaultExpiry(form, around)
	view := createView{Form: form, YAML: yamlOf(form)}
	// Only the right to create keys is judged: the rest is not filled in yet.
	if v, _ := s.judge(r.Context(), probeOf(form)); v.Rule != "" && v.Title == mayNotCreate {
		view.Verdict = v
	}

	return s.renderCreate(w, r, http.StatusOK, view, around)
}

// submit creates the key of a form, or answers with the form and what is wrong with it. The step "offers" asks for the form of another
// namespace.
func (s *server) submit(w http.ResponseWriter, r *http.Request) error {
	sent, err := s.sentForm(w, r)
	if err != nil {
		return err
	}
	form := readCreateForm(sent)
	view := createView{Form: form, YAML: yamlOf(form)}
	if sent.Get("step") == "offers" {
		return s.renderCreate(w, r, http.StatusOK, view, s.Service.Surroundings(r.Context()))
	}
	var key *v1alpha1.APIKey
	if key, view.Problems = form.apikey(); len(view.Problems) == 0 {
		created, err := s.Service.Create(r.Context(), key, false)
		if err == nil {
			return s.showKey(w, r, created, "")
		}
		view.Verdict, view.Problems = verdictOf(err, "The API server has refused this.")
	}
	status := http.StatusUnprocessableEntity
	if view.Verdict.Tone == toneWarn {
		status = http.StatusBadGateway
	}

	return s.renderCreate(w, r, status, view, s.Service.Surroundings(r.Context()))
}

// checkAnswer is what the script of the form receives while the person types.
type checkAnswer struct {
	Verdict verdict           `json:"verdict"`
	Fields  map[string]string `json:"fields"`
	YAML    string            `json:"yaml"`
	Name    string            `json:"name"`
}

// check answers what the API server would say about a form.
func (s *server) check(w http.ResponseWriter, r *http.Request) error {
	sent, err := s.sentForm(w, r)
	if err != nil {
		return err
	}
	form := readCreateForm(sent)
	key, problems := form.apikey()
	answer := checkAnswer{YAML: yamlOf(form), Fields: problems, Name: form.Name}
	if len(problems) == 0 {
		select {
		case s.checks <- struct{}{}:
			answer.Verdict, answer.Fields = s.judge(r.Context(), key)
			<-s.checks
		case <-r.Context().Done(): // a newer check has taken the place of this one
			return context.Cause(r.Context())
		}
	}
	w.Header().Set("Content-Type", "application/json")

	return json.NewEncoder(w).Encode(answer)
}

// sentForm reads a form from the body of a request alone: values of the address would stay in the history.
func (s *server) sentForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if err := readForm(w, r); err != nil {
		return nil, err
	}
	if s.Namespace != "" {
		r.PostForm.Set("namespace", s.Namespace)
	}
	if r.PostForm.Get("namespace") == "" {
		return nil, errors.New("the form names no namespace: choose one")
	}

	return r.PostForm, nil
}

// renderCreate answers with the form.
func (s *server) renderCreate(w http.ResponseWriter, r *http.Request, status int, view createView, around operations.Surroundings) error {
	offered, err := s.offered(r.Context(), view.Form, around)
	if err != nil {
		return err
	}
	view.Offers = offered
	view.FixedNamespace = s.Namespace != ""
	view.Namespaces = s.namespaces(view.Form.Namespace, around)
	view.formChoices = view.Form.choices()

	return s.render(w, r, status, "create", page{Title: "Create key", Section: "Keys", Data: view, Script: "create.js"})
}

// namespaces returns the namespaces that a form offers, sorted: those that the user may list, those with keys, and the current one.
func (s *server) namespaces(current string, around operations.Surroundings) []string {
	all := append(slices.Collect(maps.Keys(around.Labels)), s.fleet.known().namespaces...)
	all = append(all, current)
	slices.Sort(all)

	return slices.Compact(all)
}

// formChoices are the options of the select fields.
type formChoices struct{ Expires, RotateEvery, Overlap, LimitPer []choice }

// choices returns the options of the select fields.
func (f createForm) choices() formChoices {
	list := func(current string, pairs ...string) []choice {
		var all []choice
		for pair := range slices.Chunk(pairs, 2) {
			all = append(all, choice{pair[0], pair[1], pair[0] == current})
		}

		return all
	}

	return formChoices{
		Expires: list(f.Expires, "365d", "In 1 year", "180d", "In 180 days", "90d", "In 90 days", "30d", "In 30 days", "730d", "In 2 years",
			expiresOnDate, "On a date", expiresNever, "Never, or when a policy says"),
		RotateEvery: list(f.RotateEvery, "", "Only when asked", "30d", "Every 30 days", "90d", "Every 90 days", "180d", "Every 180 days",
			"365d", "Every year"),
		Overlap:  list(f.Overlap, "", "Stops at once", "10m", "Works 10 more minutes", "1h", "Works 1 more hour", "24h", "Works 24 more hours"),
		LimitPer: list(f.LimitPer, "1s", "per second", "1m", "per minute", "1h", "per hour", "24h", "per day"),
	}
}

// defaultExpiry returns what the form offers first: a year, or what the policies say where they allow less.
func defaultExpiry(f createForm, around operations.Surroundings) string {
	probe, _ := f.apikey()
	for _, p := range around.PoliciesFor(probe) {
		if p.Spec.Expiry == nil || p.Spec.Expiry.Maximum == "" {
			continue
		}
		if longest, ok := p.Spec.Expiry.Maximum.Parse(); ok && longest < year {
			return expiresNever
		}
	}

	return f.Expires
}

// probeOf returns an APIKey that differs from a form in what is not filled in yet.
func probeOf(f createForm) *v1alpha1.APIKey {
	f.Name, f.DisplayName, f.Environment = "new-key", "New key", string(v1alpha1.EnvironmentDevelopment)
	key, _ := f.apikey()

	return key
}

// yamlOf returns the manifest that a form stands for.
func yamlOf(f createForm) string {
	key, _ := f.apikey()
	text, err := yaml.Marshal(key)
	if err != nil {
		return "# " + err.Error()
	}

	return string(text)
}
