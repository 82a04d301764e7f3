// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// The run itself fails where the verifier refuses a copied key, where a revoked one still passes, or where kubectl prints another number.
func TestScaleLeavesCopiedKeysAsTheyAre(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane")
	}
	testkit.Build(t, "bin/manager", "./cmd")
	testkit.Build(t, "bin/verifier", "./cmd/verifier")
	path := filepath.Join(t.TempDir(), "figures.json")
	t.Setenv(jsonVariable, path)
	const keys = 300
	var stdout, stderr bytes.Buffer
	args := []string{"scale", "--keys=" + strconv.Itoa(keys), "--rest=0s", "--mints=3", "--revocations=3", "--gets=1"}
	if code := dispatch(t.Context(), nil, args, &stdout, &stderr); code != exitOK {
		t.Fatalf("it ended with %d:\n%s\n%s", code, stderr.String(), stdout.String())
	}
	figures := map[string]float64{}
	for _, f := range readReport(t, path).Figures {
		figures[f.Key] = f.Value
	}
	want := map[string]float64{"rest.writes": 0, "rest.gets": keys}
	if diff := cmp.Diff(want, map[string]float64{"rest.writes": figures["rest.writes"], "rest.gets": figures["rest.gets"]}); diff != "" {
		t.Errorf("the operator's work with settled keys (-want +got):\n%s\n%s", diff, stdout.String())
	}
	for _, key := range []string{
		"etcd.per_key", "etcd.apikey", "etcd.secret", "verifier.ready", "operator.ready", "kubectl.get", "mint.p50", "mint.p99",
		"revocation.p50", "revocation.p99", "operator.settled", "operator.peak", "verifier.settled", "verifier.peak",
	} {
		if figures[key] <= 0 {
			t.Errorf("%s is %v", key, figures[key])
		}
	}
}

// readReport reads a report from a file.
func readReport(t *testing.T, path string) (r report) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}

	return r
}

// Lengths precede strings in protobuf, so a copy must not change one.
func TestCastingsHaveTheLengthOfTheirMold(t *testing.T) {
	first, err := newCasting(0)
	if err != nil {
		t.Fatal(err)
	}
	m := &mold{
		name: first.name, index: first.index, uid: first.uid, secretUID: first.secretUID, digest: first.digest, text: first.text, version: "7",
	}
	parts := func(c casting) string {
		return c.name + " " + c.uid + " " + c.secretUID + " " + c.digest + " " + c.digest[:12] + " " + c.text + " " + displayName + c.index
	}
	for _, i := range []int{1, 99_999, maxSeeds - 1} {
		c, err := newCasting(i)
		if err != nil {
			t.Fatal(err)
		}
		got := m.replacer(c, "8").Replace(parts(first) + ` "resourceVersion":"7" 7`)
		if want := parts(c) + ` "resourceVersion":"8" 7`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if len(parts(c)) != len(parts(first)) {
			t.Errorf("copy %d has another length than its mold", i)
		}
	}
}

func TestShippedLimits(t *testing.T) {
	for _, component := range []string{"manager", "verifier"} {
		if limit, err := shippedLimit(component); err != nil || limit < 64*mebi {
			t.Errorf("%s: %d bytes, %v", component, limit, err)
		}
	}
	if _, err := shippedLimit("policy"); err == nil {
		t.Error("a component without a container has a limit")
	}
}
