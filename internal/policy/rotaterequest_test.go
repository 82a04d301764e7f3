// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// rotateRequests are rotate annotations and how they are read; bad is for those that admission refuses.
var rotateRequests = map[string]struct {
	value, name string
	overlap     v1alpha1.Duration
	bad         bool
}{
	"a name alone":                        {value: "leak1", name: "leak1"},
	"a date":                              {value: "2026-11-21T10:00:00+01:00", name: "2026-11-21T10:00:00+01:00"},
	"any text without a comma":            {value: " leak; overlap=0s ", name: " leak; overlap=0s "},
	"an overlap of zero":                  {value: "leak1,overlap=0s", name: "leak1", overlap: "0s"},
	"an overlap in every unit":            {value: "a,overlap=1h30m5s", name: "a", overlap: "1h30m5s"},
	"the longest overlap":                 {value: "a,overlap=720h", name: "a", overlap: "720h"},
	"the longest overlap in seconds":      {value: "a,overlap=2592000s", name: "a", overlap: "2592000s"},
	"a long name with an overlap":         {value: strings.Repeat("n", 1000) + ",overlap=1s", name: strings.Repeat("n", 1000), overlap: "1s"},
	"a name with a space before":          {value: "leak 1,overlap=0s", name: "leak 1", overlap: "0s"},
	"an overlap without a name":           {value: ",overlap=0s", bad: true},
	"a comma alone":                       {value: ",", bad: true},
	"a comma at the end":                  {value: "a,", name: "a", bad: true},
	"a date with a comma":                 {value: "Sat, 21 Nov 2026", name: "Sat", bad: true},
	"a space after the comma":             {value: "a, overlap=0s", name: "a", bad: true},
	"a space after the duration":          {value: "a,overlap=0s ", name: "a", bad: true},
	"a line break after the duration":     {value: "a,overlap=0s\n", name: "a", bad: true},
	"a space around the equals sign":      {value: "a,overlap = 0s", name: "a", bad: true},
	"an unknown modifier":                 {value: "a,force=true", name: "a", bad: true},
	"a misspelled modifier":               {value: "a,Overlap=0s", name: "a", bad: true},
	"a known and an unknown modifier":     {value: "a,overlap=0s,force=true", name: "a", bad: true},
	"the same modifier twice":             {value: "a,overlap=0s,overlap=0s", name: "a", bad: true},
	"a modifier without a value":          {value: "a,overlap", name: "a", bad: true},
	"an empty overlap":                    {value: "a,overlap=", name: "a", bad: true},
	"a number without a unit":             {value: "a,overlap=0", name: "a", bad: true},
	"a word":                              {value: "a,overlap=soon", name: "a", bad: true},
	"a negative overlap":                  {value: "a,overlap=-1s", name: "a", bad: true},
	"a positive sign":                     {value: "a,overlap=+1s", name: "a", bad: true},
	"a fraction":                          {value: "a,overlap=0.5h", name: "a", bad: true},
	"milliseconds":                        {value: "a,overlap=5ms", name: "a", bad: true},
	"days":                                {value: "a,overlap=1d", name: "a", bad: true},
	"more than 720h":                      {value: "a,overlap=720h1s", name: "a", bad: true},
	"more than an int64 holds":            {value: "a,overlap=99999999999h", name: "a", bad: true},
	"digits of another script":            {value: "a,overlap=１s", name: "a", bad: true},
	"bytes that are no text":              {value: "a\xff,overlap=\xff", name: "a\xff", bad: true},
	"a modifier before the name":          {value: "overlap=0s,a", name: "overlap=0s", bad: true},
	"a modifier alone is a name":          {value: "overlap=0s", name: "overlap=0s"},
	"nothing, which asks for nothing":     {},
	"the comma of another script, a name": {value: "a，overlap=0s", name: "a，overlap=0s"},
}

func TestParseRotateRequest(t *testing.T) {
	for name, c := range rotateRequests {
		t.Run(name, func(t *testing.T) {
			got, err := policy.ParseRotateRequest(c.value)
			if want := (policy.RotateRequest{Name: c.name, Overlap: c.overlap}); got != want || (err != nil) != c.bad {
				t.Errorf("%q is read as %+v (%v), want %+v", c.value, got, err, want)
			}
			if err != nil && !strings.Contains(err.Error(), `such as "leak-4711,overlap=0s"`) {
				t.Errorf("the error does not say what to write: %v", err)
			}
		})
	}
}

// FuzzParseRotateRequest reads arbitrary annotations: what is read without an error has an overlap that admission accepts in spec,
// and says the same when it is written again.
func FuzzParseRotateRequest(f *testing.F) {
	for _, c := range rotateRequests {
		f.Add(c.value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		request, err := policy.ParseRotateRequest(value)
		if err != nil {
			if request.Overlap != "" || !strings.Contains(value, ",") {
				t.Errorf("%q: %v and overlap %q", value, err, request.Overlap)
			}

			return
		}
		written := request.Name
		if request.Overlap != "" {
			written += ",overlap=" + string(request.Overlap)
			if d, err := time.ParseDuration(string(request.Overlap)); err != nil || d < 0 || d > v1alpha1.MaxOverlap {
				t.Errorf("%q has the overlap %q", value, request.Overlap)
			}
		}
		if written != value {
			t.Errorf("%q is written again as %q", value, written)
		}
	})
}
