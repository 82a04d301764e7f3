// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails

import (
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// keyShape matches an API key, as the rules of the CRD do, and minKeyLength is the length of its shortest match.
const (
	keyShape     = `[a-z0-9]_(prod|stg|dev)_[0-9A-Za-z]{49}`
	minKeyLength = 55
)

// maxTexts is how many labels and annotations an APIKey may have together. The time in which CEL searches them grows with the square of
// their number, and tens of thousands fit into 256 KiB.
const maxTexts = 1000

// plaintext refuses API keys in labels and annotations, which the rules of a CRD cannot read. No name of an object can have the shape
// of a key.
//
// Expressions compare the length of a text first, because a match costs ten times as much.
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
	tooMany.Message = fmt.Sprintf("more than %d labels and annotations cannot be searched for API keys: remove some", maxTexts)
	spec.Validations = []validation{
		tooMany,
		noKeyIn("labels", "name", "a label name"),
		noKeyIn("labels", "variables.labels[name]", "a label value"),
		noKeyIn("annotations", "name", "an annotation name"),
		noKeyIn("annotations", "variables.annotations[name]", "an annotation value"),
	}

	return newGuardrail("plaintext", "No label or annotation of an APIKey contains an API key, which every reader of the APIKey would see.", spec)
}

// noKeyIn returns the validation that no text of these entries looks like a key. Its message does not quote the text.
func noKeyIn(entries, text, what string) validation {
	rule := forbidden(fmt.Sprintf("!variables.few || variables.%s.all(name, size(%s) < %d || !%s.matches(%s))",
		entries, text, minKeyLength, text, quoted(keyShape)), "")
	rule.Message = what + " looks like an API key, which only its Secret may contain: remove it and rotate that key"

	return rule
}
