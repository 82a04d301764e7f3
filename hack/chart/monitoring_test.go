// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"maps"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// withoutCopy returns an object without the content that is a copy of another file: golden files leave it out.
func withoutCopy(object *unstructured.Unstructured) map[string]any {
	fields := maps.Clone(object.Object)
	switch object.GetKind() {
	case "PrometheusRule":
		delete(fields, "spec")
	case "ConfigMap":
		delete(fields, "data")
	}

	return fields
}

// TestAlertsAndDashboardAreThoseOfTheManifests compares the content of both objects with the files that the tests of alerts and dashboard
// read, and the names with those of kustomize.
func TestAlertsAndDashboardAreThoseOfTheManifests(t *testing.T) {
	t.Parallel()
	objects := objectsByKey(newHelm(t).template(t, defaultRelease, defaultNamespace,
		"--set=metrics.prometheusRule.enabled=true,metrics.dashboard.enabled=true"))
	kustomized := objectsByKey(kustomize(t, folder(t, "config", "prometheus")))
	const alerts = "PrometheusRule apikey-operator-system/apikey-operator-alerts"
	if objects[alerts] == nil || kustomized[alerts] == nil {
		t.Fatalf("the chart has %s: %t; kustomize has it: %t", alerts, objects[alerts] != nil, kustomized[alerts] != nil)
	}
	if diff := cmp.Diff(kustomized[alerts]["spec"], objects[alerts]["spec"]); diff != "" {
		t.Errorf("%s (-kustomize +chart):\n%s", alerts, diff)
	}
	dashboard := &unstructured.Unstructured{Object: objects["ConfigMap apikey-operator-system/apikey-operator-dashboard"]}
	if label := dashboard.GetLabels()["grafana_dashboard"]; label != "1" {
		t.Errorf("the label grafana_dashboard is %q", label)
	}
	text, _, err := unstructured.NestedString(dashboard.Object, "data", "apikey-operator.json")
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(folder(t, "config", "grafana", "dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(file, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the dashboard (-file +chart):\n%s", diff)
	}
}

// TestNoAlertIsAboutAVerifierThatTheReleaseHasNot leaves the verifier out: the alert about its absence would fire for ever.
func TestNoAlertIsAboutAVerifierThatTheReleaseHasNot(t *testing.T) {
	t.Parallel()
	objects := objectsByKey(newHelm(t).template(t, defaultRelease, defaultNamespace,
		"--set=metrics.prometheusRule.enabled=true,verifier.enabled=false"))
	groups, _, err := unstructured.NestedSlice(objects["PrometheusRule apikey-operator-system/apikey-operator-alerts"], "spec", "groups")
	if err != nil || len(groups) != 1 {
		t.Fatalf("%d groups of alerts, want that of the operator: %v", len(groups), err)
	}
	if group, _ := groups[0].(map[string]any); group["name"] != "apikey-operator" {
		t.Errorf("the group is %v", group["name"])
	}
}
