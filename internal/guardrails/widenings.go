// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails

import (
	"strings"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// What the CRD lets through. An object from before its rules can hold anything, and CEL cannot try and see.
const (
	durationPattern = `^([0-9]{1,6}h([0-9]{1,7}m)?([0-9]{1,9}s)?|[0-9]{1,7}m([0-9]{1,9}s)?|[0-9]{1,9}s)$`
	timePattern     = `^2[0-9]{3}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
)

// Ends in seconds since the epoch: one that is later than every other, and one that has long passed.
const (
	never   = "9223372036854775807"
	longAgo = "0"
)

// widenings are the variables that say whether an update makes what the key already has count for more, and how:
// variables.widening is the deed as a verb whose object is the APIKey; empty: nothing of the kind.
func widenings() []variable {
	every, oldEvery := "object.?spec.?rotation.?every", "oldObject.?spec.?rotation.?every"

	return []variable{
		{Name: "created", Expression: "request.operation == 'CREATE'"},
		{Name: "extended", Expression: updated(
			"(object.?spec.?expiresAt != oldObject.?spec.?expiresAt || object.?spec.?validFor != oldObject.?spec.?validFor)",
			end("object", never)+" > ["+end("oldObject", longAgo)+", "+recordedEnd("oldObject")+"].min()")},
		{Name: "rotated", Expression: updated(
			rotateAnnotation("object")+" != ''",
			rotateAnnotation("object")+" != "+rotateAnnotation("oldObject"))},
		{Name: "scheduled", Expression: updated(
			every+".hasValue()",
			every+" != "+oldEvery,
			"(!"+oldEvery+".orValue('').matches("+quoted(durationPattern)+") || "+
				"duration(object.spec.rotation.every) < duration(oldObject.spec.rotation.every))")},
		{Name: "overlapped", Expression: updated(
			"object.?spec.?rotation.?overlap.hasValue()",
			seconds("object.spec.rotation.overlap", 0)+" > "+seconds("oldObject.?spec.?rotation.?overlap.orValue('')", 0))},
		{Name: "relabelled", Expression: updated("(" + differ("spec.secret.labels", "spec.secret.annotations") + ")")},
		{Name: "resumed", Expression: updated(
			"oldObject.?spec.?suspend.orValue(false)",
			"!object.?spec.?suspend.orValue(false)")},
		{Name: "customersAdded", Expression: updated(
			"oldObject.?spec.?customers.hasValue()",
			"(!object.?spec.?customers.hasValue() || object.spec.customers.exists(c, !(c in oldObject.spec.customers)))")},
		{Name: "widening", Expression: "variables.extended ? 'extend the expiry of' : " +
			"variables.rotated ? 'rotate' : " +
			"variables.scheduled ? 'schedule an earlier rotation of' : " +
			"variables.overlapped ? 'lengthen the overlap of' : " +
			"variables.relabelled ? 'change the labels or annotations of the Secret of' : " +
			"variables.resumed ? 'resume' : " +
			"variables.customersAdded ? 'add customers to' : ''"},
	}
}

// updated holds for an update that meets all conditions.
func updated(conditions ...string) string {
	return "!variables.created && " + strings.Join(conditions, " && ")
}

// specOrRotateChanged says whether an update changes what grants and limits are about.
func specOrRotateChanged() string {
	return specChanged + " || " + rotateAnnotation("object") + " != " + rotateAnnotation("oldObject")
}

// rotateAnnotation is the rotate annotation of an object, empty where there is none: both ask for nothing.
func rotateAnnotation(object string) string {
	return object + ".metadata.?annotations[?" + quoted(v1alpha1.RotateAnnotation) + "].orValue('')"
}

// end is when the key stops by what its spec says; unreadable is what counts where that is no time.
func end(object, unreadable string) string {
	expiresAt, validFor := object+".spec.expiresAt", object+".spec.validFor"

	return "(" + object + ".?spec.?expiresAt.hasValue()" +
		" ? (" + expiresAt + ".matches(" + quoted(timePattern) + ") && !format.datetime().validate(" + expiresAt + ").hasValue()" +
		" ? int(timestamp(" + expiresAt + ")) : " + unreadable + ")" +
		" : " + object + ".?spec.?validFor.hasValue()" +
		" ? (" + validFor + ".matches(" + quoted(durationPattern) + ")" +
		" ? int(timestamp(" + object + ".metadata.creationTimestamp)) + duration(" + validFor + ").getSeconds() : " + unreadable + ")" +
		" : " + never + ")"
}

// recordedEnd is when the key stops by what the operator has reported. A policy can have set an earlier end than spec.
func recordedEnd(object string) string {
	return "(" + object + ".?status.?expiresAt.hasValue() ? int(timestamp(" + object + ".status.expiresAt)) : " + never + ")"
}
