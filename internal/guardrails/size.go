// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails

import (
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// The limits of the metadata of an APIKey. The API server itself allows 256 KiB of annotations, and 1.5 MiB for the whole object.
const (
	// maxMetadataBytes limits labels, annotations, finalizers and owner references together. For the largest APIKey, kubectl's annotation
	// last-applied-configuration takes half of it.
	maxMetadataBytes = 64 << 10
	// maxMetadataEntries limits the number of finalizers and owner references, as maxTexts does for labels and annotations. The time in
	// which CEL adds up their sizes grows with the square of their number.
	maxMetadataEntries = 1000
	// maxRotateBytes limits the rotate annotation, the only annotation that the operator keeps in memory.
	maxRotateBytes = 1 << 10
)

// size limits the metadata of an APIKey, so that an editor of one namespace cannot exhaust the memory of programs that read all APIKeys.
// An update that enlarges nothing always passes.
func size() Guardrail {
	spec := admissionregistrationv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: apiKeys("apikeys", admissionregistrationv1.Create, admissionregistrationv1.Update),
		MatchConditions: []matchCondition{
			changed(differ("metadata.labels", "metadata.annotations", "metadata.finalizers", "metadata.ownerReferences")),
		},
		Variables: []variable{
			{Name: "entries", Expression: entriesOf("object")},
			{Name: "entriesBefore", Expression: "request.operation == 'CREATE' ? 0 : " + entriesOf("oldObject")},
			// Adding up too many sizes takes too long. The guardrail plaintext refuses too many labels and annotations; an old object
			// with too many counts as 0 bytes.
			{Name: "bytes", Expression: fmt.Sprintf("%s > %d ? 0 : %s", textsOf("object"), maxTexts, bytesOf("object"))},
			{Name: "bytesBefore", Expression: fmt.Sprintf("request.operation == 'CREATE' || variables.entriesBefore > %d || %s > %d ? 0 : %s",
				maxMetadataEntries, textsOf("oldObject"), maxTexts, bytesOf("oldObject"))},
		},
	}
	// An APIKey from before this rule may lose entries one by one, as controllers remove finalizers.
	loses := "variables.entries < variables.entriesBefore && !(" + differ("metadata.labels", "metadata.annotations") + ")"
	spec.Validations = []validation{
		forbidden(fmt.Sprintf("variables.entries <= %d || (%s)", maxMetadataEntries, loses), fmt.Sprintf(
			`'an APIKey may have %d finalizers and owner references together, and this one has ' + string(variables.entries) + ': remove some.'`,
			maxMetadataEntries)),
		forbidden(fmt.Sprintf("variables.entries > %d || variables.bytes <= %d || variables.bytes <= variables.bytesBefore || (variables.entriesBefore > "+
			"%d && %s)",
			maxMetadataEntries, maxMetadataBytes, maxMetadataEntries, loses), fmt.Sprintf(
			`'labels, annotations, finalizers and owner references of an APIKey may take %d bytes together, and these take ' + string(variables.bytes) + `+
				`': remove some.'`,
			maxMetadataBytes)),
		forbidden(fmt.Sprintf("size(bytes(%s)) <= %d || (request.operation == 'UPDATE' && %s == %s)",
			policy.RotateAnnotationCEL("object"), maxRotateBytes, policy.RotateAnnotationCEL("object"), policy.RotateAnnotationCEL("oldObject")), fmt.Sprintf(
			`'the annotation %s may take %d bytes, and this one takes ' + string(size(bytes(%s))) + ': use a short value, such as a date.'`,
			v1alpha1.RotateAnnotation, maxRotateBytes, policy.RotateAnnotationCEL("object"))),
	}

	return newGuardrail("size", "Limits the labels, annotations, finalizers and owner references of APIKeys.", spec)
}

// entriesOf returns the number of finalizers and owner references of an object.
func entriesOf(object string) string {
	return fmt.Sprintf("size(%[1]s.metadata.?finalizers.orValue([])) + size(%[1]s.metadata.?ownerReferences.orValue([]))", object)
}

// textsOf returns the number of labels and annotations of an object.
func textsOf(object string) string {
	return fmt.Sprintf("size(%[1]s.metadata.?labels.orValue({})) + size(%[1]s.metadata.?annotations.orValue({}))", object)
}

// bytesOf returns the bytes of the labels, annotations, finalizers and owner references of an object.
func bytesOf(object string) string {
	return fmt.Sprintf("%[1]s.metadata.?labels.orValue({}).map(n, size(bytes(n)) + size(bytes(%[1]s.metadata.labels[n]))).sum() + "+
		"%[1]s.metadata.?annotations.orValue({}).map(n, size(bytes(n)) + size(bytes(%[1]s.metadata.annotations[n]))).sum() + "+
		"%[1]s.metadata.?finalizers.orValue([]).map(f, size(bytes(f))).sum() + "+
		"%[1]s.metadata.?ownerReferences.orValue([]).map(r, "+
		"size(bytes(r.apiVersion)) + size(bytes(r.kind)) + size(bytes(r.name)) + size(bytes(r.uid))).sum()", object)
}
