// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// retrying reports a failed request that the operator retries.
func retrying(s *v1alpha1.APIKeyStatus, o Observed, reason, message string, now time.Time) {
	if _, over := Ended(o, now); over {
		message = messageLeftOver + message
	}
	w := notReady(s, o, reason, message, now)
	w.remove(v1alpha1.ConditionStalled)
	w.set(v1alpha1.ConditionReconciling, metav1.ConditionTrue, reason, message)
}

// sameProblem returns the message for a failure. It is the reported message if both differ only in numbers, such as the remaining
// quota; otherwise each attempt would emit an event.
func sameProblem(apikey *v1alpha1.APIKey, f Failure) string {
	ready := meta.FindStatusCondition(apikey.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Reason != f.Reason {
		return f.Message
	}
	if reported := strings.TrimPrefix(ready.Message, messageLeftOver); withoutNumbers(reported) == withoutNumbers(f.Message) {
		return reported
	}

	return f.Message
}

// withoutNumbers returns a text with 0 in place of every number.
func withoutNumbers(text string) string {
	var b strings.Builder
	inNumber := false
	for _, r := range text {
		digit := '0' <= r && r <= '9'
		switch {
		case !digit:
			b.WriteRune(r)
		case !inNumber:
			b.WriteByte('0')
		}
		inNumber = digit
	}

	return b.String()
}

// failing reports whether Ready reports a failed request.
func failing(s *v1alpha1.APIKeyStatus) bool {
	ready := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionReady)

	return ready != nil && (ready.Reason == v1alpha1.ReasonRequestRefused || ready.Reason == v1alpha1.ReasonRequestFailed)
}
