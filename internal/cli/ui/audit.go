// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/cli/values"
)

const (
	// maxFindings is how many findings of a rule the page shows. The command line lists all.
	maxFindings = 100
	// maxAuditPermissions is how many permissions a key may have, as the command line has it.
	maxAuditPermissions = 8
)

// auditView is what the view of the audit needs.
type auditView struct {
	// Unused and Expiring are the thresholds, as they are written.
	Unused, Expiring string
	// Wrong says why a threshold was not taken; empty: all were.
	Wrong  string
	Keys   string
	Groups []auditGroup
	// Unread names the kinds that the user may not list.
	Unread string
	Clean  bool
}

// auditGroup holds the findings of one rule.
type auditGroup struct {
	Rule, Text, Count string
	Findings          []auditRow
	More              string
}

// auditRow is one finding.
type auditRow struct{ Title, Place, Path, Message string }

// audit answers with what should be looked at.
func (s *server) audit(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	view := auditView{Unused: "90d", Expiring: "30d"}
	limits := operations.Thresholds{Permissions: maxAuditPermissions}
	view.Unused, limits.Unused = view.threshold(query.Get("unused"), view.Unused)
	view.Expiring, limits.Expiring = view.threshold(query.Get("expiring"), view.Expiring)
	around := s.Service.Surroundings(r.Context())
	groups, order := map[operations.Rule]*auditGroup{}, operations.Rules()
	counts, keys := map[operations.Rule]int{}, 0
	now := s.Service.Clock.Now()
	if _, err := s.Service.List(r.Context(), operations.Filter{Namespace: s.Namespace}, func(page []v1alpha1.APIKey) error {
		keys += len(page)
		for i := range page {
			for _, finding := range operations.Audit(&page[i], around, limits, now) {
				counts[finding.Rule]++
				addFinding(groups, finding, &page[i])
			}
		}

		return nil
	}); err != nil {
		return err
	}
	for _, rule := range order {
		if group := groups[rule.Rule]; group != nil {
			group.Text, group.Count = rule.Text, plural(counts[rule.Rule], "key")
			if more := counts[rule.Rule] - len(group.Findings); more > 0 {
				group.More = fmt.Sprintf("%s more. All of them: kubectl apikey audit --rule %s", number(more), rule.Rule)
			}
			view.Groups = append(view.Groups, *group)
		}
	}
	view.Keys, view.Clean, view.Unread = plural(keys, "key"), len(view.Groups) == 0, strings.Join(around.Unread, ", ")

	return s.render(w, r, http.StatusOK, "audit", page{Title: "Audit", Section: "Audit", Data: view})
}

// threshold reads a length of time. What cannot be read leaves the value that was in force.
func (v *auditView) threshold(text, otherwise string) (string, time.Duration) {
	text = strings.TrimSpace(text)
	if length, _, err := values.Span(text); err == nil {
		return text, length
	} else if text != "" {
		v.Wrong = sentence(err.Error())
	}
	length, _, _ := values.Span(otherwise) // a constant of this file

	return otherwise, length
}

// addFinding puts a finding into its group, while there is room.
func addFinding(groups map[operations.Rule]*auditGroup, finding operations.Finding, key *v1alpha1.APIKey) {
	group := groups[finding.Rule]
	if group == nil {
		group = &auditGroup{Rule: string(finding.Rule)}
		groups[finding.Rule] = group
	}
	if len(group.Findings) >= maxFindings {
		return
	}
	title := key.Spec.DisplayName
	if title == "" {
		title = key.Name
	}
	group.Findings = append(group.Findings, auditRow{
		Title: title, Place: key.Namespace + " / " + key.Name, Path: keyPath(operations.NameOf(key)), Message: finding.Message,
	})
}
