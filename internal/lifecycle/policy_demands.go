// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// demand is one thing that a policy may ask of a key: how the key does not meet it, as the rest of a sentence that
// begins with the policy; "" when it does.
//
// The API server asks the same in CEL and answers in the same words: see internal/guardrails. A value of a policy that
// cannot be read, which the schema lets nobody store, demands nothing here: no key dies of it.
type demand func(spec *v1alpha1.APIKeyPolicySpec, key *v1alpha1.APIKey) string

// demands are all of them, in the order of the validations at the API server.
func demands() []demand {
	return []demand{
		environmentDenied, permissionsDenied, rolesDenied,
		customersMissing, customersDenied,
		expiryMissing, expiryTooLate,
		rateTooHigh, burstTooLarge,
		rotationMissing, rotationTooRare, overlapTooLong,
		labelDenied, annotationDenied,
	}
}

func environmentDenied(spec *v1alpha1.APIKeyPolicySpec, key *v1alpha1.APIKey) string {
	if len(spec.Environments) == 0 || slices.Contains(spec.Environments, key.Spec.Environment) {
		return ""
	}

	return fmt.Sprintf("does not allow environment %q: it allows %s.", key.Spec.Environment, quoted(spec.Environments))
}

func permissionsDenied(spec *v1alpha1.APIKeyPolicySpec, key *v1alpha1.APIKey) string {
	return listDenied("permissions", "permissions", key.Spec.Permissions, spec.Permissions)
}

func rolesDenied(spec *v1alpha1.APIKeyPolicySpec, key *v1alpha1.APIKey) string {
	return listDenied("roles", "roles", key.Spec.Roles, spec.Roles)
}

// maxNamed is how many allowed values a sentence names: more of them would be longer than an answer of the API server may be.
const maxNamed = 10

// listDenied is about the values of a list that are not among those allowed, which the policy has in its field; none allowed: all are.
func listDenied[T ~string](what, field string, found, allowed []T) string {
	if len(allowed) == 0 {
		return ""
	}
	denied := slices.DeleteFunc(slices.Clone(found), func(value T) bool { return slices.Contains(allowed, value) })
	if len(denied) == 0 {
		return ""
	}

	return fmt.Sprintf("does not allow %s %s: it allows %s.", what, quoted(denied), few(field, allowed))
}

// few is a list of a policy in words, if they are few enough to be named.
func few[T ~string](field string, values []T) string {
	if len(values) > maxNamed {
		return "those in its spec." + field
	}

	return quoted(values)
}

// quoted is a list in words.
func quoted[T ~string](values []T) string {
	words := make([]string, len(values))
	for i, value := range values {
		words[i] = `"` + string(value) + `"`
	}

	return strings.Join(words, ", ")
}

func rotationMissing(spec *v1alpha1.APIKeyPolicySpec, key *v1alpha1.APIKey) string {
	switch {
	case spec.Rotation == nil || !spec.Rotation.Required || every(key) > 0:
		return ""
	case spec.Rotation.MaximumAge != "":
		return fmt.Sprintf("demands a rotation: set spec.rotation.every to at most %s.", spec.Rotation.MaximumAge)
	default:
		return "demands a rotation: set spec.rotation.every."
	}
}

func rotationTooRare(spec *v1alpha1.APIKeyPolicySpec, key *v1alpha1.APIKey) string {
	maximum := maximumAge(spec)
	if maximum == 0 || every(key) <= maximum {
		return ""
	}

	return fmt.Sprintf("%sspec.rotation.every is %s.", demandedAge(spec), key.Spec.Rotation.Every)
}

// demandedAge begins a sentence on a key that is or gets too old.
func demandedAge(spec *v1alpha1.APIKeyPolicySpec) string {
	return fmt.Sprintf("demands that a key is at most %s old: ", spec.Rotation.MaximumAge)
}

// every is spec.rotation.every; 0: no clock replaces the key.
func every(key *v1alpha1.APIKey) time.Duration {
	if key.Spec.Rotation == nil {
		return 0
	}
	parsed, _ := parseDuration(key.Spec.Rotation.Every)

	return parsed
}

// maximumAge is the most that a policy lets a key age; 0: as it likes.
func maximumAge(spec *v1alpha1.APIKeyPolicySpec) time.Duration {
	if spec.Rotation == nil {
		return 0
	}
	parsed, _ := parseDuration(spec.Rotation.MaximumAge)

	return parsed
}
