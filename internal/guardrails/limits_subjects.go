// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails

import (
	"fmt"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

func customersDeclared() validation {
	return demanded(
		"!has(params.spec.customers) || (!params.spec.customers.?required.orValue(false) && !has(params.spec.customers.allowed)) || "+
			"has(object.spec.customers) || (request.operation != 'CREATE' && !has(variables.had.customers))",
		"'demands customers: set spec.customers, without which a key is for every customer.'")
}

func customersAllowed() validation {
	return listAllowed("customers", "customers.allowed", "variables.deniedCustomers")
}

// deniedCustomers are the customers that the change adds and that the policy does not allow. A key that was for every customer
// gets none by naming some.
const deniedCustomers = "!params.spec.?customers.?allowed.hasValue() ? [] : object.spec.?customers.orValue([]).filter(value, " +
	"!(value in params.spec.customers.allowed) && " +
	"(request.operation == 'CREATE' || (has(variables.had.customers) && !(value in variables.had.customers))))"

// maximumOverlap is the longest overlap that a policy allows.
const maximumOverlap = "params.spec.rotation.maximumOverlap"

func overlapShortEnough() validation {
	const overlap, before = "object.spec.rotation.overlap", "variables.had.?rotation.?overlap.orValue('')"

	return demanded(
		"!params.spec.?rotation.?maximumOverlap.hasValue() || !object.spec.?rotation.?overlap.hasValue() || "+
			seconds(overlap, 0)+" <= duration("+maximumOverlap+").getSeconds() || "+seconds(overlap, 0)+" <= "+seconds(before, 0),
		"'lets a replaced key work at most ' + "+maximumOverlap+" + ' longer: spec.rotation.overlap is ' + "+overlap+" + '.'")
}

// requestedOverlapShortEnough is about the overlap of one rotation. What a new APIKey comes with asks for no rotation.
func requestedOverlapShortEnough() validation {
	return demanded(
		"!params.spec.?rotation.?maximumOverlap.hasValue() || request.operation == 'CREATE' || !variables.rotateChanged || "+
			"variables.rotateOverlap <= duration("+maximumOverlap+").getSeconds()",
		"'lets a replaced key work at most ' + "+maximumOverlap+" + ' longer: the annotation "+v1alpha1.RotateAnnotation+" asks for '",
		"variables.rotateTail.substring(9) + '.'")
}

func labelsAllowed() validation {
	return namesAllowed("label", "labelPrefixes", "variables.deniedLabels")
}

func annotationsAllowed() validation {
	return namesAllowed("annotation", "annotationPrefixes", "variables.deniedAnnotations")
}

// namesAllowed is about the first name, by order, that the policy does not allow: the order of a map is another each time.
func namesAllowed(what, prefixes, denied string) validation {
	return demanded("size("+denied+") == 0",
		"'does not allow the "+what+" \"' + "+denied+".min() + '\" on a Secret: it allows names that begin with '",
		few("secret."+prefixes), "'.'")
}

// deniedNames are the names in a map of spec.secret that the change adds, or gives another value, and that begin with none of the prefixes.
func deniedNames(names, prefixes string) string {
	return fmt.Sprintf("!params.spec.?secret.?%[2]s.hasValue() ? [] : object.spec.?secret.?%[1]s.orValue({}).filter(name, "+
		"!params.spec.secret.%[2]s.exists(prefix, name.startsWith(prefix)) && "+
		"variables.had.?secret.?%[1]s[?name] != optional.of(object.spec.secret.%[1]s[name]))", names, prefixes)
}
