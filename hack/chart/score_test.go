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

// exceptions returns the findings of kube-score that the README of the chart lists with the reason why the manifests keep them.
func exceptions(t *testing.T) []string {
	t.Helper()
	_, table, found := strings.Cut(string(content(t, folder(t, "config", "chart"), "README.md")), "\n| finding of kube-score | why it stays |\n|---|---|\n")
	if !found {
		t.Fatal("the README of the chart has no table of findings of kube-score")
	}
	var listed []string
	for line := range strings.SplitSeq(table, "\n") {
		cells := strings.Split(line, " | ")
		if len(cells) != 2 || !strings.HasPrefix(line, "| ") || len(strings.TrimSuffix(cells[1], " |")) < len("a reason") {
			break
		}
		listed = append(listed, strings.TrimPrefix(cells[0], "| "))
	}

	return slices.Sorted(slices.Values(listed))
}

// TestKubeScore expects no other findings than those that the README of the chart lists, and each of these.
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
			if diff := cmp.Diff(exceptions(t), found); diff != "" {
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
