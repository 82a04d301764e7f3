// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/internal/policy"
)

func TestEveryValidationAppliesToSelectedNamespacesAndNamesThePolicy(t *testing.T) {
	for _, v := range policy.Validations() {
		if !strings.HasPrefix(v.Expression, "!variables.applies || ") {
			t.Errorf("is evaluated for other namespaces: %s", v.Expression)
		}
		if !strings.HasPrefix(v.MessageExpression, `'APIKeyPolicy "' + params.metadata.name + '" ' + `) {
			t.Errorf("does not name the policy: %s", v.MessageExpression)
		}
		if v.Reason == nil || *v.Reason != metav1.StatusReasonForbidden {
			t.Errorf("does not answer 403: %s", v.Expression)
		}
	}
}

// The API server refuses a variable that is used before it is declared, and evaluates none that no expression uses.
func TestEveryVariableIsDeclaredOnceAndUsedAfterwards(t *testing.T) {
	declared := map[string]bool{}
	later := ""
	for _, v := range policy.Validations() {
		later += v.Expression + v.MessageExpression
	}
	for _, v := range slices.Backward(policy.Variables()) {
		if declared[v.Name] {
			t.Errorf("%s is declared twice", v.Name)
		}
		declared[v.Name] = true
		if !strings.Contains(later, "variables."+v.Name) {
			t.Errorf("%s is not used after its declaration", v.Name)
		}
		later += v.Expression
	}
}

func TestLimitOverlap(t *testing.T) {
	for name, c := range map[string]struct {
		policies []string
		overlap  time.Duration
		want     time.Duration
	}{
		"no policy":                 {nil, time.Hour, time.Hour},
		"a policy on another field": {[]string{"rotation: {required: true}", "roles: [a]"}, time.Hour, time.Hour},
		"a longer maximum":          {[]string{"rotation: {maximumOverlap: 2h}"}, time.Hour, time.Hour},
		"the shortest maximum":      {[]string{"rotation: {maximumOverlap: 30m}", "rotation: {maximumOverlap: 10m}"}, time.Hour, 10 * time.Minute},
		"no overlap allowed":        {[]string{"rotation: {maximumOverlap: 0s}"}, time.Hour, 0},
		"a malformed maximum":       {[]string{"rotation: {maximumOverlap: 1d}"}, time.Hour, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			if got := terms(t, fresh(t, "{}"), c.policies...).LimitOverlap(c.overlap); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}
