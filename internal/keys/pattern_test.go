// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keys_test

import (
	"regexp"
	"testing"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// TestPattern matches every key as a whole, and not what is longer or shorter.
func TestPattern(t *testing.T) {
	whole := regexp.MustCompile("^(?:" + keys.Pattern() + ")$")
	for _, prefix := range []string{"a", "ak", "z9", "abcdefghij"} {
		for _, environment := range []v1alpha1.Environment{v1alpha1.EnvironmentProduction, v1alpha1.EnvironmentStaging, v1alpha1.EnvironmentDevelopment} {
			key, err := keys.Generator{Prefix: prefix}.New(environment)
			if err != nil {
				t.Fatal(err)
			}
			text := key.Reveal()
			if !whole.MatchString(text) {
				t.Errorf("the pattern does not match a key with the prefix %q", prefix)
			}
			for name, other := range map[string]string{
				"a character more": text + "a", "a character less": text[:len(text)-1], "another separator": prefix + "-" + text[len(prefix)+1:],
				"an upper-case prefix": "A" + text[1:], "a prefix that begins with a digit": "9" + text[1:],
			} {
				if whole.MatchString(other) {
					t.Errorf("%s: the pattern matches", name)
				}
			}
		}
	}
	if !keys.IsBase62('z') || keys.IsBase62('_') {
		t.Error("IsBase62 is wrong")
	}
}
