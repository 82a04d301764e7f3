// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// maxNamed is how many allowed values a sentence names. More of them could exceed the length of an answer of the API server.
const maxNamed = 10

// allowedValues describes a demand that a list of an APIKey holds only values that a list of the policy allows.
type allowedValues[T ~string] struct {
	// what names the values, and field is the path of the allowed ones below the spec of the policy.
	what, field string
	// of returns the values of an APIKey and the allowed values. Without allowed values every value is allowed.
	of func(*v1alpha1.APIKeyPolicySpec, *v1alpha1.APIKey) (values, allowed []T)
	// denied is the CEL variable for the values that a request adds and the policy does not allow.
	denied admissionregistrationv1.Variable
}

func (a allowedValues[T]) demand() demand {
	denied := "variables." + a.denied.Name

	return demand{
		name: "allowed " + a.what,
		violation: func(spec *v1alpha1.APIKeyPolicySpec, apikey *v1alpha1.APIKey) string {
			values, allowed := a.of(spec, apikey)
			extra := slices.DeleteFunc(slices.Clone(values), func(value T) bool { return slices.Contains(allowed, value) })
			if len(allowed) == 0 || len(extra) == 0 {
				return ""
			}

			return fmt.Sprintf("does not allow %s %s: it allows %s.", a.what, quoteAll(extra), nameAll(a.field, allowed))
		},
		met: "size(" + denied + ") == 0",
		refusal: []string{
			"'does not allow " + a.what + " '", quoteAllCEL(denied), "': it allows '", nameAllCEL(a.field), "'.'",
		},
		variables: []admissionregistrationv1.Variable{a.denied},
	}
}

// addedValues is a CEL list: the values of a list that the policy does not allow and that the APIKey did not have.
// The list has the same name in APIKey and policy.
func addedValues(list string) string {
	return fmt.Sprintf("!has(params.spec.%[1]s) ? [] : object.spec.?%[1]s.orValue([]).filter(value, "+
		"!(value in params.spec.%[1]s) && !(value in variables.had.?%[1]s.orValue([])))", list)
}

// nameAll returns a list of a policy in words, or refers to the field if the list is long.
func nameAll[T ~string](field string, values []T) string {
	if len(values) > maxNamed {
		return "those in its spec." + field
	}

	return quoteAll(values)
}

// nameAllCEL is nameAll in CEL.
func nameAllCEL(field string) string {
	return fmt.Sprintf("(size(params.spec.%[1]s) <= %[2]d ? %[3]s : 'those in its spec.%[1]s')", field, maxNamed, quoteAllCEL("params.spec."+field))
}

// quoteAll returns values in double quotes.
func quoteAll[T ~string](values []T) string {
	words := make([]string, len(values))
	for i, value := range values {
		words[i] = `"` + string(value) + `"`
	}

	return strings.Join(words, ", ")
}

// quoteAllCEL is quoteAll in CEL.
func quoteAllCEL(list string) string { return `'"' + ` + list + `.join('", "') + '"'` }
