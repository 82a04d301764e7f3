// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails

import (
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// How large the metadata of an APIKey may be. The API server alone allows 256 KiB of annotations, and of the rest what fits into 1.5 MiB.
const (
	// maxMetadataBytes are for labels, annotations, finalizers and owner references together. The annotation in which kubectl
	// keeps what was applied last takes half of it for the largest APIKey.
	maxMetadataBytes = 64 << 10
	// maxMetadataEntries are how many finalizers and owner references there may be, as maxTexts are of labels and annotations. CEL takes
	// a time for adding up their sizes that grows with the square of their number.
	maxMetadataEntries = 1000
	// maxRotateBytes are for the rotate annotation, the only one that the operator keeps in memory.
	maxRotateBytes = 1 << 10
)

// size limits the metadata of an APIKey, which nothing else does, so that the editor of one namespace cannot fill the memory of those
// who read all APIKeys. A change that makes nothing larger always passes.
func size() Guardrail {
	spec := admissionregistrationv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: apiKeys("apikeys", admissionregistrationv1.Create, admissionregistrationv1.Update),
		MatchConditions: []matchCondition{
			changed(differ("metadata.labels", "metadata.annotations", "metadata.finalizers", "metadata.ownerReferences")),
		},
		Variables: []variable{
			{Name: "entries", Expression: entriesOf("object")},
			{Name: "entriesBefore", Expression: "request.operation == 'CREATE' ? 0 : " + entriesOf("oldObject")},
			// Adding up the sizes of too many takes too long. Too many labels and annotations are refused by the guardrail plaintext;
			// what had too many counts as nothing.
			{Name: "bytes", Expression: fmt.Sprintf("%s > %d ? 0 : %s", textsOf("object"), maxTexts, bytesOf("object"))},
			{Name: "bytesBefore", Expression: fmt.Sprintf("request.operation == 'CREATE' || variables.entriesBefore > %d || %s > %d ? 0 : %s",
				maxMetadataEntries, textsOf("oldObject"), maxTexts, bytesOf("oldObject"))},
		},
	}
	// An APIKey from before this rule may lose entries one by one, as finalizers are lost.
	loses := "variables.entries < variables.entriesBefore && !(" + differ("metadata.labels", "metadata.annotations") + ")"
	spec.Validations = []validation{
		forbidden(fmt.Sprintf("variables.entries <= %d || (%s)", maxMetadataEntries, loses), fmt.Sprintf(
			`'an APIKey may have %d finalizers and owner references together, and this one has ' + string(variables.entries) + ': take some out.'`,
			maxMetadataEntries)),
		forbidden(fmt.Sprintf("variables.entries > %d || variables.bytes <= %d || variables.bytes <= variables.bytesBefore || (variables.entriesBefore > %d && %s)",
			maxMetadataEntries, maxMetadataBytes, maxMetadataEntries, loses), fmt.Sprintf(
			`'labels, annotations, finalizers and owner references of an APIKey may take %d bytes together, and these take ' + string(variables.bytes) + ': take some out.'`,
			maxMetadataBytes)),
		forbidden(fmt.Sprintf("size(bytes(%s)) <= %d || (request.operation == 'UPDATE' && %s == %s)",
			policy.RotateAnnotationCEL("object"), maxRotateBytes, policy.RotateAnnotationCEL("object"), policy.RotateAnnotationCEL("oldObject")), fmt.Sprintf(
			`'the annotation %s may take %d bytes, and this one takes ' + string(size(bytes(%s))) + ': use a short value, such as a date.'`,
			v1alpha1.RotateAnnotation, maxRotateBytes, policy.RotateAnnotationCEL("object"))),
	}

	return newGuardrail("size", "Limits the labels, annotations, finalizers and owner references of APIKeys.", spec)
}

// entriesOf is how many finalizers and owner references an object has.
func entriesOf(object string) string {
	return fmt.Sprintf("size(%[1]s.metadata.?finalizers.orValue([])) + size(%[1]s.metadata.?ownerReferences.orValue([]))", object)
}

// textsOf is how many labels and annotations an object has.
func textsOf(object string) string {
	return fmt.Sprintf("size(%[1]s.metadata.?labels.orValue({})) + size(%[1]s.metadata.?annotations.orValue({}))", object)
}

// bytesOf is how many bytes the texts of an object's parts have.
func bytesOf(object string) string {
	return fmt.Sprintf("%[1]s.metadata.?labels.orValue({}).map(n, size(bytes(n)) + size(bytes(%[1]s.metadata.labels[n]))).sum() + "+
		"%[1]s.metadata.?annotations.orValue({}).map(n, size(bytes(n)) + size(bytes(%[1]s.metadata.annotations[n]))).sum() + "+
		"%[1]s.metadata.?finalizers.orValue([]).map(f, size(bytes(f))).sum() + "+
		"%[1]s.metadata.?ownerReferences.orValue([]).map(r, "+
		"size(bytes(r.apiVersion)) + size(bytes(r.kind)) + size(bytes(r.name)) + size(bytes(r.uid))).sum()", object)
}
