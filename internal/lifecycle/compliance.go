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
	violations := append(Violations(o.Key, o.Policies, now), fixedTooLate(o, w.status.ExpiresAt)...)
	switch {
	case len(o.Policies) == 0:
		w.remove(v1alpha1.ConditionCompliant)
	case len(violations) == 0:
		w.set(v1alpha1.ConditionCompliant, metav1.ConditionTrue, v1alpha1.ReasonPolicyMet, messageMet)
	default:
		w.set(v1alpha1.ConditionCompliant, metav1.ConditionFalse, v1alpha1.ReasonPolicyDenied, listed(violations, " "))
	}
}

// fixedTooLate are how the end of a key that was handed out, as it was fixed then, does not meet policies that have changed
// since. Its spec says nothing that the API server would refuse: it would have got another end if it were created today.
func fixedTooLate(o Observed, end *metav1.Time) []string {
	if o.Key.Status.LastRotation == nil {
		return nil
	}
	var sentences []string
	for _, policy := range byName(o.Policies) {
		if expiryTooLate(&policy.Spec, o.Key) != "" || expiryMissing(&policy.Spec, o.Key) != "" {
			continue // Violations has said it
		}
		latest := longest(&policy.Spec, o.Key)
		switch {
		case latest != nil && (end == nil || latest.Before(end)):
			sentences = append(sentences, `APIKeyPolicy "`+policy.Name+`" lets a key live at most `+string(policy.Spec.Expiry.Maximum)+
				" from its creation, and the end of this one was fixed before: set spec.expiresAt or spec.validFor.")
		case end == nil && policy.Spec.Expiry != nil && policy.Spec.Expiry.Required:
			sentences = append(sentences, `APIKeyPolicy "`+policy.Name+
				`" demands an expiry, and this key was handed out without one before: set spec.expiresAt or spec.validFor.`)
		}
	}

	return sentences
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
