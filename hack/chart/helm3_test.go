// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestHelm3RendersTheSame compares what Helm 3 renders of each variant with what the Helm of the other tests does, and lets Helm 3 refuse
// values.
func TestHelm3RendersTheSame(t *testing.T) {
	t.Parallel()
	other, h := newHelm(t), helmOf(t, "helm3")
	if version := h.must(t, "version", "--short"); !strings.HasPrefix(version, "v3.") {
		t.Fatalf("bin/charts/helm3 is Helm %s", version)
	}
	const kube = "--kube-version=1.32.0" // a Helm that is built from its module believes in 1.20
	chart := folder(t, "config", "chart")
	for _, file := range append(variants(t), folder(t, "config", "chart", "values.yaml")) {
		want := other.template(t, defaultRelease, defaultNamespace, kube, "--values", file)
		got := h.template(t, defaultRelease, defaultNamespace, kube, "--values", file)
		if diff := cmp.Diff(objectsByKey(want), objectsByKey(got)); diff != "" {
			t.Errorf("%s (-Helm 4 +Helm 3):\n%s", variant(file), diff)
		}
		h.must(t, "lint", chart, "--strict", kube, "--values", file)
	}
	for set, want := range map[string]string{
		"--set=verifer.replicas=3":       "verifer",
		"--set=manager.replicas=0":       "replicas",
		"--set=manager.leaseDuration=3s": "manager.renewDeadline=3s must be less than manager.leaseDuration=3s",
	} {
		if _, err := h.run(t, "template", defaultRelease, chart, kube, set); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one that says %q", set, err, want)
		}
	}
}

// TestReleaseWithHelm3 installs, upgrades, rolls back and uninstalls the chart with Helm 3, and continues with the other Helm: a team may
// change its Helm while a release is installed.
func TestReleaseWithHelm3(t *testing.T) {
	t.Parallel()
	s := siteOf(t, "helm3")
	chart := folder(t, "config", "chart")
	s.helm.must(t, "install", defaultRelease, chart, "--namespace", defaultNamespace, "--create-namespace")
	s.ready(t)
	s.kubectl(t, firstKey, "create", "--filename=-")
	s.helm.must(t, "upgrade", defaultRelease, chart, "--namespace", defaultNamespace, "--set=verifier.replicas=3")
	if got := s.field(t, "deployment/apikey-operator-verifier", ".spec.replicas"); got != "3" {
		t.Errorf("%s replicas after the upgrade", got)
	}
	s.helm.must(t, "rollback", defaultRelease, "1", "--namespace", defaultNamespace)
	if got := s.field(t, "deployment/apikey-operator-verifier", ".spec.replicas"); got != "2" {
		t.Errorf("%s replicas after the rollback", got)
	}
	newer := newHelm(t, "KUBECONFIG="+s.kubeconfig)
	newer.must(t, "upgrade", defaultRelease, chart, "--namespace", defaultNamespace, "--set=verifier.replicas=4")
	if got := s.field(t, "deployment/apikey-operator-verifier", ".spec.replicas"); got != "4" {
		t.Errorf("%s replicas after the upgrade with the other Helm", got)
	}
	t.Run("uninstall keeps keys and what guards them", s.uninstallKeeps)
}
