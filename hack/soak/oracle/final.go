// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/hack/soak/schedule"
)

// CheckOverdue reports the requests that a healthy leader has not carried out in time.
func (o *Oracle) CheckOverdue(now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.health.advance(now)
	for _, s := range o.subjects {
		for _, r := range s.open {
			budget := leaderBudget
			if slices.ContainsFunc(s.open, func(r *Request) bool { return r.Kind == schedule.Create }) {
				budget = createBudget
			}
			if r.acked.IsZero() || r.late {
				continue
			}
			if _, late := o.health.leader.after(r.acked, budget, now); late {
				r.late = true
				o.broken(now, Overdue, "%s: the request to %s of %s is not carried out: %s", s.name, r.Kind, stamp(r.acked), s.unsettled())
			}
		}
	}
}

// Unsettled returns the APIKeys that are not as declared, each with the reason.
func (o *Oracle) Unsettled() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var names []string
	for _, s := range o.subjects {
		if s.gone || !s.created {
			continue
		}
		if why := s.unsettled(); why != "" {
			names = append(names, s.name+": "+why)
		}
	}
	slices.Sort(names)

	return names
}

// Expected is what a verifier has to say about a key in the end.
type Expected struct {
	Digest   string
	Name     string // of the APIKey and of the record
	Accepted bool
}

// Expected returns what verifiers have to say about all keys, after everything was healthy for longer than every budget. It leaves
// keys out whose time has come or comes within a margin.
func (o *Oracle) Expected(now time.Time, margin time.Duration) []Expected {
	o.mu.Lock()
	defer o.mu.Unlock()
	var list []Expected
	for _, k := range o.keys {
		s := k.subject
		live := !k.planted && !k.live.IsZero() && (k.until.IsZero() || k.until.After(now.Add(margin)))
		dead := k.planted || k.dead != nil && !k.dead.from.After(now) || s.gone ||
			slices.ContainsFunc(s.facts, func(f *fact) bool { return !f.from.After(now) })
		if live != dead { // else its time comes
			list = append(list, Expected{Digest: k.digest, Name: k.String(), Accepted: live})
		}
	}
	slices.SortFunc(list, func(a, b Expected) int { return strings.Compare(a.Digest, b.Digest) })

	return list
}

// CheckFinal judges an answer in the end.
func (o *Oracle) CheckFinal(e Expected, a Answer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch accepted := a.Code == http.StatusOK; {
	case accepted && !e.Accepted:
		o.broken(a.Received, DeadAccepted, "in the end %s accepts %s", a.Verifier, e.Name)
	case !accepted && e.Accepted:
		o.broken(a.Received, LiveRefused, "in the end %s refuses %s: %d (%s)", a.Verifier, e.Name, a.Code, a.Reason)
	}
}

// MayHaveSecret reports whether an APIKey with a uid is there and has not ended.
func (o *Oracle) MayHaveSecret(uid types.UID) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.subjects[uid]

	return s != nil && s.apikey != nil && !s.gone && !s.final()
}
