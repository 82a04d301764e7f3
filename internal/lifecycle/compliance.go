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

// setCompliant reports whether the key meets the policies that are for it, where there are any.
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

// maxList bounds what a message lists: an event with the same words holds 1024 bytes, and more is read by nobody.
const maxList = 900

// moreListed ends a list that does not name everything.
const moreListed = " (and more)"

// listed joins what there is to say, as much as there is room for.
func listed(parts []string, separator string) string {
	list := ""
	for i, part := range parts {
		if i > 0 {
			part = separator + part
		}
		if len(list)+len(part) > maxList {
			if i == 0 {
				list = strings.ToValidUTF8(part[:maxList], "")
			}

			return list + moreListed
		}
		list += part
	}

	return list
}
