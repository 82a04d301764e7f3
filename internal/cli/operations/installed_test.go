// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations

import "testing"

func TestVersionOf(t *testing.T) {
	for _, test := range []struct{ label, image, want string }{
		{"v1.2.3", "a.example/b:v1", "v1.2.3"},
		{"", "a.example/b:v1", "v1"},
		{"", "a.example:5000/b", "latest"},
		{"", "a.example:5000/b:v2@sha256:0a", "v2"},
		{"", "a.example:5000/b@sha256:0a", "sha256:0a"},
		{"", "b", "latest"},
	} {
		if got := versionOf(test.label, test.image); got != test.want {
			t.Errorf("label %q, image %s: %q, want %q", test.label, test.image, got, test.want)
		}
	}
}
