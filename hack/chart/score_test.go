// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// exceptions are the findings of kube-score that the manifests keep, and why.
var exceptions = map[string]string{
	"CPU limit is not set":                                "a limit would slow down revocations, and answers that every request to an API waits for",
	"ImagePullPolicy is not set to Always":                "tags of releases never move, and Always needs the registry for every restart",
	"Deployment does not have a host podAntiAffinity set": "topologySpreadConstraints spread the replicas, and do not block a cluster of one node",
}

// TestKubeScore expects no other findings than the exceptions, and each of these.
func TestKubeScore(t *testing.T) {
	t.Parallel()
	program := testkit.FindBuilt(t, "charts", "kube-score")
	h := newHelm(t)
	sources := map[string]string{}
	for _, path := range []string{"default", "overlays/high-availability"} {
		out, err := exec.CommandContext(t.Context(), folder(t, "bin", "k8s", "kubectl"), "kustomize", folder(t, "config", path)).Output()
		if err != nil {
			t.Fatal(err)
		}
		sources["config/"+path] = string(out)
	}
	for _, file := range []string{"high-availability", "gateways"} {
		sources["chart with "+file] = h.must(t, "template", defaultRelease, folder(t, "config", "chart"),
			"--values", folder(t, "config", "chart", "ci", file+"-values.yaml"))
	}
	for name, manifests := range sources {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := findings(t, program, manifests)
			if diff := cmp.Diff(slices.Sorted(maps.Keys(exceptions)), found); diff != "" {
				t.Errorf("findings of kube-score (-exceptions +found):\n%s", diff)
			}
		})
	}
}

// findings returns the messages of kube-score, without those about the container that they name.
func findings(t *testing.T, program, manifests string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, "score", "--output-format=ci", "--kubernetes-version=v1.32",
		"--enable-optional-test=container-seccomp-profile", "-")
	cmd.Stdin = strings.NewReader(manifests)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if exit := new(exec.ExitError); err != nil && (!errors.As(err, &exit) || complaint.Len() > 0) { // it exits with 1 when it finds something
		t.Fatalf("%v\n%s", err, complaint.String())
	}
	found := map[string]bool{}
	for line := range strings.SplitSeq(string(out), "\n") {
		level, rest, _ := strings.Cut(line, " ")
		if level != "[CRITICAL]" && level != "[WARNING]" {
			continue
		}
		_, message, _ := strings.Cut(rest, ": ")
		if _, after, named := strings.Cut(message, ") "); named {
			message = after
		}
		found[message] = true
	}

	return slices.Sorted(maps.Keys(found))
}
