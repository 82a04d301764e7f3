// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails

import (
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// keyShape is what an API key looks like, as in the rules of the CRD, and minKeyLength how many characters of a text it takes.
const (
	keyShape     = `[a-z0-9]_(prod|stg|dev)_[0-9A-Za-z]{49}`
	minKeyLength = 55
)

// maxTexts is how many labels and annotations an APIKey may have together. CEL takes a time for looking through them that grows
// with the square of their number: 10 ms for 1,000 of them, but seconds for the tens of thousands that fit into 256 KiB.
const maxTexts = 1000

// plaintext refuses API keys in labels and annotations, which the rules of a CRD do not see. (They do see the names of
// objects, and no name can have the shape of a key.)
//
// The length of a text is asked first because a match costs ten times as much.
func plaintext() Guardrail {
	spec := admissionregistrationv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: apiKeys("apikeys", admissionregistrationv1.Create, admissionregistrationv1.Update),
		MatchConditions: []matchCondition{
			changed(differ("metadata.labels", "metadata.annotations")),
		},
		Variables: []variable{
			{Name: "labels", Expression: "object.metadata.?labels.orValue({})"},
			{Name: "annotations", Expression: "object.metadata.?annotations.orValue({})"},
			{Name: "few", Expression: fmt.Sprintf("size(variables.labels) + size(variables.annotations) <= %d", maxTexts)},
		},
	}
	tooMany := forbidden("variables.few", "")
	tooMany.Message = fmt.Sprintf("more than %d labels and annotations: they cannot be searched for API keys in time, take some out", maxTexts)
	spec.Validations = []validation{
		tooMany,
		noKeyIn("labels", "name", "a label name"),
		noKeyIn("labels", "variables.labels[name]", "a label value"),
		noKeyIn("annotations", "name", "an annotation name"),
		noKeyIn("annotations", "variables.annotations[name]", "an annotation value"),
	}

	return newGuardrail("plaintext", "No label or annotation of an APIKey holds an API key: it would stand there for everybody to read.", spec)
}

// noKeyIn is the validation that no text of these entries looks like a key. Its message does not repeat the text.
func noKeyIn(entries, text, what string) validation {
	rule := forbidden(fmt.Sprintf("!variables.few || variables.%s.all(name, size(%s) < %d || !%s.matches(%s))",
		entries, text, minKeyLength, text, quoted(keyShape)), "")
	rule.Message = what + " looks like an API key, which must stand nowhere but in its Secret: take it out and rotate that key"

	return rule
}
