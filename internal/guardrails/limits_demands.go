// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails

import (
	"fmt"
	"strings"
)

// demanded is a validation that holds for the APIKeys of the namespaces that the policy is for.
// Its answer begins with the name of the policy; the parts of the rest are CEL.
func demanded(expression string, answer ...string) validation {
	return forbidden("!variables.applies || "+expression,
		`'APIKeyPolicy "' + params.metadata.name + '" ' + `+strings.Join(answer, " + "))
}

func environmentAllowed() validation {
	return demanded(
		"!has(params.spec.environments) || object.spec.environment in params.spec.environments || "+
			"variables.had.?environment.orValue('') == object.spec.environment",
		`'does not allow environment "' + object.spec.environment + '": it allows '`, named("params.spec.environments"), "'.'")
}

func permissionsAllowed() validation {
	return listAllowed("permissions", "permissions", "variables.deniedPermissions")
}

func rolesAllowed() validation { return listAllowed("roles", "roles", "variables.deniedRoles") }

// listAllowed is about the values that the change adds and that the policy, in its field, does not allow.
func listAllowed(what, field, denied string) validation {
	return demanded("size("+denied+") == 0",
		"'does not allow "+what+" '", named(denied), "': it allows '", few(field), "'.'")
}

// few is a list of a policy in words, if they are few: more of them would be longer than an answer of the API server may be.
func few(field string) string {
	return "(size(params.spec." + field + ") <= 10 ? " + named("params.spec."+field) + " : 'those in its spec." + field + "')"
}

// named is a list in words.
func named(list string) string { return `'"' + ` + list + `.join('", "') + '"'` }

func expiryDeclared() validation {
	return demanded(
		"!params.spec.?expiry.?required.orValue(false) || has(params.spec.expiry.default) || "+
			"has(object.spec.expiresAt) || has(object.spec.validFor) || "+
			"(request.operation != 'CREATE' && !has(variables.had.expiresAt) && !has(variables.had.validFor))",
		"'demands an expiry: set spec.expiresAt or spec.validFor.'")
}

func expiryNotTooLate() validation {
	const maximum = "params.spec.expiry.maximum"

	return demanded(
		"!params.spec.?expiry.?maximum.hasValue() || variables.end == "+never+" || variables.end <= variables.endBefore || "+
			"variables.end <= variables.created + duration("+maximum+").getSeconds()",
		"'lets a key live at most ' + "+maximum+" + ' from its creation: '",
		"(has(object.spec.expiresAt) ? 'spec.expiresAt is later. It is ' + object.spec.expiresAt + ' and may be ' + "+
			"string(timestamp(object.metadata.creationTimestamp) + duration("+maximum+")) + ' at the latest.' : "+
			"'spec.validFor is ' + object.spec.validFor + '.')")
}

// maximumLimit is the rate limit that a policy sets APIKeys.
const maximumLimit = "params.spec.rateLimit.maximum"

// unlimited says whether the policy sets no limit, or the spec has none: then the operator gives it one that the policy allows.
const unlimited = "!params.spec.?rateLimit.?maximum.hasValue() || !has(object.spec.rateLimit)"

func rateNotTooHigh() validation {
	const declared, before = "object.spec.rateLimit", "variables.had.rateLimit"

	return demanded(
		unlimited+" || "+notFaster(declared, maximumLimit)+" || (has("+before+") && "+notFaster(declared, before)+")",
		"'allows at most '", perPeriod(maximumLimit, " requests"), "': spec.rateLimit has '", perPeriod(declared, ""), "'.'")
}

// notFaster says whether a limit lets no more requests through in the same time than another.
func notFaster(limit, other string) string {
	return fmt.Sprintf("%s * %s <= %s * %s", number(limit), period(other), number(other), period(limit))
}

// number is how many requests a limit lets through. JSON may have written it as 1e2, which CEL takes for no integer.
func number(limit string) string { return "int(" + limit + ".requests)" }

// period is that of a limit. One that cannot be read counts as the longest, as everywhere in this project.
func period(limit string) string { return seconds(limit+".per", 86400) }

// perPeriod is a rate as people say it, with a word between the number and the period.
func perPeriod(limit, word string) string {
	return "string(" + number(limit) + ") + '" + word + " per ' + " + limit + ".per"
}

func burstNotTooLarge() validation {
	const declared, before = "object.spec.rateLimit", "variables.had.rateLimit"

	return demanded(
		unlimited+" || "+burst(declared)+" <= "+burst(maximumLimit)+" || (has("+before+") && "+burst(declared)+" <= "+burst(before)+")",
		"'allows a burst of at most ' + string("+burst(maximumLimit)+")", "': spec.rateLimit has one of ' + string("+burst(declared)+")",
		"(has("+declared+".burst) ? '.' : ', as many as requests, because it sets no burst.')")
}

// burst is that of a limit: as many as requests where it does not say.
func burst(limit string) string {
	return "int(" + limit + ".?burst.orValue(" + limit + ".requests))"
}

func rotationDeclared() validation {
	return demanded(
		"!params.spec.?rotation.?required.orValue(false) || object.spec.?rotation.?every.hasValue() || "+
			"(request.operation != 'CREATE' && !variables.had.?rotation.?every.hasValue())",
		"'demands a rotation: set spec.rotation.every'",
		"(has(params.spec.rotation.maximumAge) ? ' to at most ' + params.spec.rotation.maximumAge + '.' : '.')")
}

func rotationOftenEnough() validation {
	const maximum, every, before = "params.spec.rotation.maximumAge", "object.spec.rotation.every", "variables.had.rotation.every"

	return demanded(
		"!params.spec.?rotation.?maximumAge.hasValue() || !object.spec.?rotation.?every.hasValue() || "+
			seconds(every, 0)+" <= duration("+maximum+").getSeconds() || "+
			"(variables.had.?rotation.?every.hasValue() && "+seconds(every, 0)+" <= "+seconds(before, 0)+")",
		"'demands that a key is at most ' + "+maximum+" + ' old: spec.rotation.every is ' + "+every+" + '.'")
}
