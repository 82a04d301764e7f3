// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// TestDescribePhases tells in each phase what holds then: of a key that has ended neither policies nor that it could be rotated.
func TestDescribePhases(t *testing.T) {
	p := newAdministrator(t, "describe-phases")
	p.must("create", "web", "--environment", "Staging", "--permission", "customers:read", "--expires-in", "365d", "--overlap", "1h")
	p.must("create", "short", "--environment", "Staging", "--expires-in", "2s", "--wait=false")
	describe := func(name string, phase v1alpha1.Phase, says, not []string) {
		t.Helper()
		p.awaitPhase(name, phase)
		out := p.must("describe", name)
		for _, text := range append(says, "Status:         "+string(phase)+"\n") {
			if !strings.Contains(out, text) {
				t.Errorf("%s %s: does not say %q:\n%s", phase, name, text, out)
			}
		}
		for _, text := range not {
			if strings.Contains(out, text) {
				t.Errorf("%s %s: says %q:\n%s", phase, name, text, out)
			}
		}
	}
	usable := []string{"You have all that this key needs", "Secret:         web, under api-key", "Expires:        20", "  expiry\n", "Policies:\n"}
	ended := []string{"You have all", "You lack", "Policies:\n  none", "Secret: ", "  expiry\n", "stops: it was replaced"}
	describe("web", v1alpha1.PhaseActive, usable, []string{"has ended", "(ended)"})
	p.must("rotate", "web", "--yes")
	describe("web", v1alpha1.PhaseActive, append(usable, "stops: it was replaced", "rotated (Annotation)"), nil)
	p.must("suspend", "web", "--yes")
	describe("web", v1alpha1.PhaseSuspended, usable, []string{"has ended"})
	p.must("resume", "web")
	p.awaitPhase("web", v1alpha1.PhaseActive)
	p.must("revoke", "web", "--yes")
	describe("web", v1alpha1.PhaseRevoked, []string{"The key has ended", "not judged", "Expires:        ended: it was revoked"}, ended)
	describe("short", v1alpha1.PhaseExpired, []string{"The key has ended", "not judged", "Z (ended)"}, ended[:4])
}
