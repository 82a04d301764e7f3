// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"net/http"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// listPatience is how long the list waits for keys. What was read by then is shown, and the rest follows.
const listPatience = 800 * time.Millisecond

// silence is how long the cluster may take to answer before the list says so.
const silence = 5 * time.Second

// list answers with the list of keys.
func (s *server) list(w http.ResponseWriter, r *http.Request) error {
	if q := r.URL.Query().Get("q"); keys.Redact(q) != q {
		return s.redirect(w, r, "/", flash{
			toneBad, "An API key does not belong into the search.",
			"It may stand in the history of your browser now, so regenerate that key. To find out about a key, open one and ask why a call is refused.",
		})
	}
	all, state := s.fleet.all(r.Context(), !isRefresh(r), listPatience)
	if !state.Loaded && state.Err != nil {
		return state.Err
	}
	data := newListView(all, parseListQuery(r.URL.Query()), scope{Namespace: s.Namespace, ReadOnly: s.ReadOnly}, s.Service.Clock.Now())
	data.State = stateNote(state, len(all), s.Service.Clock.Now())
	data.Loading = !state.Loaded

	return s.render(w, r, http.StatusOK, "list", page{Title: "Keys", Section: "Keys", Data: data})
}

// stateNote says how far the list can be relied on; nil: it is up to date.
func stateNote(state fleetState, read int, now time.Time) *flash {
	switch {
	case !state.Loaded && read == 0 && now.Sub(state.Began) > silence:
		return &flash{
			Tone: toneWarn, Text: "The cluster does not answer.",
			Detail: "It was asked " + since(state.Began, now) + ". Keys that are in use go on working. The page shows the list as soon as it comes.",
		}
	case !state.Loaded:
		return &flash{Tone: "progress", Text: "Reading keys", Detail: number(read) + " so far. The list fills while you look."}
	case state.Err != nil && unreachable(state.Err):
		return &flash{
			Tone: toneWarn, Text: "The cluster does not answer.",
			Detail: "The list is as it was at " + clockTime(state.At, now) + ". Keys that are in use go on working. The page tries again by itself.",
		}
	case state.Err != nil:
		return &flash{Tone: toneWarn, Text: "The list does not update by itself.", Detail: state.Err.Error()}
	default:
		return nil
	}
}
