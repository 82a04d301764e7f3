// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

const messageMet = "The APIKey meets every APIKeyPolicy that is for its namespace."

// setCompliant reports whether the APIKey meets its policies. Without policies there is no condition.
func (w conditionWriter) setCompliant(o Observed, now time.Time) {
	shortcomings := o.terms().Shortcomings(w.status.ExpiresAt, now)
	switch {
	case len(o.Policies) == 0:
		w.remove(v1alpha1.ConditionCompliant)
	case len(shortcomings) == 0:
		w.set(v1alpha1.ConditionCompliant, metav1.ConditionTrue, v1alpha1.ReasonPolicyMet, messageMet)
	default:
		w.set(v1alpha1.ConditionCompliant, metav1.ConditionFalse, v1alpha1.ReasonPolicyDenied, listed(shortcomings, " "))
	}
}

// maxList is the length in bytes of the longest list in a message. The note of an event holds at most 1024 bytes.
const maxList = 900

// moreListed ends a truncated list.
const moreListed = " (and more)"

// listed joins entries up to maxList.
func listed(entries []string, separator string) string {
	list := ""
	for i, entry := range entries {
		if i > 0 {
			entry = separator + entry
		}
		if len(list)+len(entry) > maxList {
			if i == 0 {
				list = strings.ToValidUTF8(entry[:maxList], "")
			}

			return list + moreListed
		}
		list += entry
	}

	return list
}
