// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"net/url"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/cli/values"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// The answers to "Expires" that are no length of time.
const (
	expiresNever  = "none" // unless a policy sets an end
	expiresOnDate = "on"
)

// createForm is what a person has filled in. Its fields are those of the form, as texts.
type createForm struct {
	Namespace, Name, DisplayName, Environment         string
	Permissions, Roles                                []string // that were chosen from what is offered
	MorePermissions, MoreRoles                        string   // that were typed, with commas or spaces
	Customers, Owner                                  string
	Expires, ExpiresOn                                string
	LimitRequests, LimitPer, LimitBurst               string
	RotateEvery, Overlap                              string
	Delivery                                          string
	nameHoldsKey, displayNameHoldsKey, otherHoldsKeys bool
}

// newCreateForm returns the form as a person finds it.
func newCreateForm(namespace string) createForm {
	return createForm{
		Namespace: namespace, Expires: "365d", LimitPer: "1m", Delivery: string(v1alpha1.DeliveryKeep),
	}
}

// readCreateForm reads a form that was sent. What looks like an API key is dropped: it must not come back in an answer.
func readCreateForm(sent url.Values) createForm {
	f := createForm{Permissions: chosen(sent, "permission"), Roles: chosen(sent, "role")}
	for name, into := range f.texts() {
		*into = strings.TrimSpace(sent.Get(name))
		if keys.Redact(*into) == *into {
			continue
		}
		*into = ""
		switch name {
		case "name":
			f.nameHoldsKey = true
		case "displayName":
			f.displayNameHoldsKey = true
		default:
			f.otherHoldsKeys = true
		}
	}
	if f.Name == "" && !f.nameHoldsKey {
		f.Name = nameFor(f.DisplayName)
	}

	return f
}

// texts returns the fields that hold one text, by their names in the form.
func (f *createForm) texts() map[string]*string {
	return map[string]*string{
		"namespace": &f.Namespace, "name": &f.Name, "displayName": &f.DisplayName, "environment": &f.Environment,
		"morePermissions": &f.MorePermissions, "moreRoles": &f.MoreRoles, "customers": &f.Customers, "owner": &f.Owner,
		"expires": &f.Expires, "expiresOn": &f.ExpiresOn,
		"limitRequests": &f.LimitRequests, "limitPer": &f.LimitPer, "limitBurst": &f.LimitBurst,
		"rotateEvery": &f.RotateEvery, "overlap": &f.Overlap, "delivery": &f.Delivery,
	}
}

// chosen returns the values of a field, each once and without keys.
func chosen(sent url.Values, name string) []string {
	var all []string
	for _, value := range sent[name] {
		if value != "" && keys.Redact(value) == value && !slices.Contains(all, value) {
			all = append(all, value)
		}
	}

	return all
}

// apikey returns the APIKey that the form stands for, and what is wrong with fields, by their names in the form.
func (f createForm) apikey() (*v1alpha1.APIKey, map[string]string) {
	problems := f.problems()
	spec := v1alpha1.APIKeySpec{DisplayName: f.DisplayName, Environment: v1alpha1.Environment(f.Environment), Owner: f.Owner}
	for _, permission := range append(slices.Clone(f.Permissions), words(f.MorePermissions)...) {
		spec.Permissions = append(spec.Permissions, v1alpha1.Permission(permission))
	}
	for _, role := range append(slices.Clone(f.Roles), words(f.MoreRoles)...) {
		spec.Roles = append(spec.Roles, v1alpha1.RoleName(role))
	}
	for _, customer := range words(f.Customers) {
		spec.Customers = append(spec.Customers, v1alpha1.Customer(customer))
	}
	if f.Delivery == string(v1alpha1.DeliveryOnce) {
		spec.Secret = &v1alpha1.SecretTemplate{Delivery: v1alpha1.DeliveryOnce}
	}
	note := func(field string, err error) {
		if err != nil {
			problems[field] = sentence(err.Error())
		}
	}
	note("expires", f.readEnd(&spec))
	note("limit", f.readLimit(&spec))
	note("rotation", f.readRotation(&spec))

	return operations.New(types.NamespacedName{Namespace: f.Namespace, Name: f.Name}, spec), problems
}

// problems returns what is missing, and which fields held an API key.
func (f createForm) problems() map[string]string {
	problems := map[string]string{}
	if f.DisplayName == "" {
		problems["displayName"] = "Say what the key is for, such as Integration with CRM."
	}
	if f.Name == "" {
		problems["name"] = "Give the key a name of lower-case letters, digits and '-'."
	}
	if f.Environment == "" {
		problems["environment"] = "Choose the environment whose endpoints accept the key."
	}
	const neverKey = "That is an API key, which is never a name. It was not kept. Regenerate that key: it may have been seen."
	if f.nameHoldsKey {
		problems["name"] = neverKey
	}
	if f.displayNameHoldsKey {
		problems["displayName"] = neverKey
	}
	if f.otherHoldsKeys {
		problems["customers"] = "A field held an API key. It was not kept. Regenerate that key: it may have been seen."
	}

	return problems
}

func (f createForm) readEnd(spec *v1alpha1.APIKeySpec) (err error) {
	switch f.Expires {
	case "", expiresNever:
	case expiresOnDate:
		spec.ExpiresAt, err = values.End(f.ExpiresOn)
	default:
		_, spec.ValidFor, err = values.Span(f.Expires)
	}

	return err
}

func (f createForm) readLimit(spec *v1alpha1.APIKeySpec) (err error) {
	if f.LimitRequests == "" {
		return nil
	}
	text := f.LimitRequests + "/" + f.LimitPer
	if f.LimitBurst != "" {
		text += ",burst=" + f.LimitBurst
	}
	spec.RateLimit, err = values.RateLimit(text)

	return err
}

func (f createForm) readRotation(spec *v1alpha1.APIKeySpec) (err error) {
	if f.RotateEvery == "" && f.Overlap == "" {
		return nil
	}
	spec.Rotation = &v1alpha1.Rotation{}
	if f.RotateEvery != "" {
		if _, spec.Rotation.Every, err = values.Span(f.RotateEvery); err != nil {
			return err
		}
	}
	if f.Overlap != "" {
		_, spec.Rotation.Overlap, err = values.Span(f.Overlap)
	}

	return err
}

// words splits what was typed with commas, spaces or lines.
func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\r' || r == '\t' })
}

// maxDerivedName bounds names that come from a display name. The API allows longer ones.
const maxDerivedName = 63

// nameFor returns the name of an APIKey for a display name: "Integration with CRM" becomes "integration-with-crm".
func nameFor(displayName string) string {
	var name strings.Builder
	for _, r := range strings.ToLower(displayName) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			name.WriteRune(r)
		case name.Len() > 0 && !strings.HasSuffix(name.String(), "-"):
			name.WriteByte('-')
		}
	}
	text := name.String()

	return strings.Trim(text[:min(len(text), maxDerivedName)], "-")
}

// sentence makes a sentence of an error.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	text = strings.ToUpper(text[:1]) + text[1:]
	if !strings.HasSuffix(text, ".") {
		text += "."
	}

	return text
}
