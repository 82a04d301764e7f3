// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/internal/guardrails"
)

const rendered = `apiVersion: v1
kind: Namespace
metadata:
  name: system
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: operator
  namespace: system
spec:
  template:
    metadata:
      labels: {app.kubernetes.io/component: manager}
    spec:
      serviceAccountName: worker
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: verifier
  namespace: system
spec:
  template:
    metadata:
      labels: {app.kubernetes.io/component: verifier}
    spec:
      serviceAccountName: reader
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: metrics
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: worker
`

func TestSortOut(t *testing.T) {
	got, err := sortOut(strings.NewReader(rendered))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]guardrails.ServiceAccount{
		operatorComponent: {Namespace: "system", Name: "worker"},
		verifierComponent: {Namespace: "system", Name: "reader"},
	}
	if diff := cmp.Diff(want, got.accounts); diff != "" {
		t.Errorf("accounts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Deployment", "ServiceMonitor"}, got.left); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
	for kind, want := range map[string]bool{"Namespace": true, "ServiceAccount": true, "Deployment": false, "ServiceMonitor": false} {
		if strings.Contains(string(got.apply), "kind: "+kind+"\n") != want {
			t.Errorf("%s applied: %t, want %t, in\n%s", kind, !want, want, got.apply)
		}
	}
}

func TestSortOutWithoutAccount(t *testing.T) {
	for name, c := range map[string]struct{ manifest, want string }{
		"no Deployment": {"kind: Namespace\n", "no Deployment whose pods have the label app.kubernetes.io/component=manager"},
		"no Deployment of the verifier": {
			"kind: Deployment\nmetadata: {name: op, namespace: a}\n" +
				"spec: {template: {metadata: {labels: {app.kubernetes.io/component: manager}}, spec: {serviceAccountName: a}}}\n",
			"component=verifier",
		},
		"a Deployment without the account":   {"kind: Deployment\nmetadata: {name: op, namespace: a}\n", "the Deployment op has no namespace or no"},
		"a Deployment without the namespace": {"kind: Deployment\nspec: {template: {spec: {serviceAccountName: a}}}\n", "no namespace"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := sortOut(strings.NewReader(c.manifest)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want %q in it", err, c.want)
			}
		})
	}
}
