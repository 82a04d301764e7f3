// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"fmt"
	"slices"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
)

// The actions on a key, as the address names them.
const (
	actRename  = "rename"
	actRotate  = "rotate"
	actSuspend = "suspend"
	actResume  = "resume"
	actRevoke  = "revoke"
	actDelete  = "delete"
)

// action is a button of the view of a key. It leads to a form, which asks.
type action struct {
	Name, Path string
	Danger     bool
}

// actionForm asks before an action.
type actionForm struct {
	// Action is the last part of the address that the form is sent to.
	Action, Title string
	// Text says what happens; Button is the word that makes it happen.
	Text, Button string
	Danger       bool
	// Breaks tells that programs which use the key may notice.
	Breaks bool
	// Seen is the key as the person saw it; see seen.
	Seen string
	// Field asks for a text; nil: the form asks for none.
	Field *field
	// Overlaps are how long a replaced key can go on working; none: the form does not ask.
	Overlaps []choice
	// Problem says why the action did not happen; nil: it was not tried.
	Problem *failure
	// Used tells when the key was last used, Readers which workloads read its Secret, and Unseen which kinds of them the user cannot list.
	Used    moment
	Readers []string
	Unseen  string
}

// field is a text that a form asks for.
type field struct {
	Label, Hint, Value string
	// Wrong says why the value was not accepted; empty: it was not tried.
	Wrong     string
	MaxLength int
	Code      bool
}

// choice is one of several values.
type choice struct {
	Value, Text string
	Chosen      bool
}

// seen names the state of a key that an action depends on: which object it is, what it declares and which key is in use. A form that
// was filled in before another person changed that is not carried out.
func seen(apikey *v1alpha1.APIKey) string {
	return fmt.Sprintf("%s.%d.%s", apikey.UID, apikey.Generation, activeID(apikey))
}

// activeID returns the id of the active key; empty: there is none.
func activeID(apikey *v1alpha1.APIKey) string {
	for _, record := range apikey.Status.Keys {
		if record.State == v1alpha1.KeyActive {
			return record.ID
		}
	}

	return ""
}

// actionsFor returns what can be done with a key now.
func actionsFor(apikey *v1alpha1.APIKey, now time.Time) []action {
	var actions []action
	for _, name := range []string{actRename, actRotate, actSuspend, actResume, actRevoke, actDelete} {
		if f := newActionForm(name, apikey, now); f != nil {
			actions = append(actions, action{f.Button, keyPath(operations.NameOf(apikey)) + "?do=" + name, name == actRevoke || name == actDelete})
		}
	}

	return actions
}

// newActionForm returns the form of an action; nil: there is no such action, or the key has no use for it.
func newActionForm(name string, apikey *v1alpha1.APIKey, now time.Time) *actionForm {
	if apikey.DeletionTimestamp != nil || operations.ViewOf(apikey, now).Ended() && name != actRename && name != actDelete {
		return nil
	}
	form := actionForm{Action: name, Seen: seen(apikey)}
	if !form.fill(name, apikey) {
		return nil
	}

	return &form
}

// fill writes the form of an action; false: there is no such action, or nothing to do.
func (f *actionForm) fill(name string, apikey *v1alpha1.APIKey) bool {
	suspended := apikey.Spec.Suspend
	switch {
	case name == actRename:
		f.rename(apikey)
	case name == actRotate:
		f.rotate(apikey)
	case name == actSuspend && !suspended:
		f.Title, f.Button, f.Breaks = "Disable this key?", "Disable", true
		f.Text = "Verifiers refuse it at once with 401, until somebody enables it again. The key and its Secret stay."
	case name == actResume && suspended:
		f.Title, f.Button = "Enable this key?", "Enable"
		f.Text = "Verifiers accept it again, with the same key as before."
	case name == actRevoke:
		f.Title, f.Button, f.Danger, f.Breaks = "Revoke this key for good?", "Revoke", true, true
		f.Text = "Verifiers refuse it at once and its Secret is deleted. This cannot be undone. Its history stays."
	case name == actDelete:
		f.delete(apikey)
	default:
		return false
	}

	return true
}

func (f *actionForm) rename(apikey *v1alpha1.APIKey) {
	const maxDisplayName = 128
	f.Title, f.Button, f.Text = "Rename", "Rename", ""
	f.Field = &field{
		Label: "Name", Value: apikey.Spec.DisplayName, MaxLength: maxDisplayName,
		Hint: "What the key is for. The key itself stays the same. Never use a key as its name.",
	}
}

func (f *actionForm) rotate(apikey *v1alpha1.APIKey) {
	f.Title, f.Button, f.Breaks = "Regenerate this key?", "Regenerate", true
	f.Text = "A new key takes its place, with the same name, permissions and settings. You see it once, right after."
	chosen := v1alpha1.Duration("0s")
	if r := apikey.Spec.Rotation; r != nil && r.Overlap != "" {
		chosen = r.Overlap
	}
	overlaps := []choice{
		{Value: "0s", Text: "Stops at once"}, {Value: "10m", Text: "Works for another 10 minutes"},
		{Value: "1h", Text: "Works for another hour"}, {Value: "24h", Text: "Works for another day"},
	}
	known := false
	for i := range overlaps {
		overlaps[i].Chosen = overlaps[i].Value == string(chosen)
		known = known || overlaps[i].Chosen
	}
	if !known {
		overlaps = slices.Insert(overlaps, 1, choice{string(chosen), "Works for another " + lengthWords(chosen) + ", as the key declares", true})
	}
	f.Overlaps = overlaps
}

func (f *actionForm) delete(apikey *v1alpha1.APIKey) {
	f.Title, f.Button, f.Danger, f.Breaks = "Delete this key and its history?", "Delete", true, true
	f.Text = "The key stops at once; its Secret and its timeline go with it. To end it and keep the history, revoke it instead."
	f.Field = &field{Label: "Type " + apikey.Name + " to confirm", MaxLength: len(apikey.Name) + 1, Code: true}
}
