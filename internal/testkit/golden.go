// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Golden compares a text with a file of the package's folder testdata, and reports the difference as an error of the test. With
// update it writes the file first.
func Golden(t testing.TB, file, got string, update bool) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs; run the test with -update to write it (-want +got):\n%s", path, diff)
	}
}
