// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// allowedLabels demands labels of the Secret that begin with one of spec.secret.labelPrefixes.
func allowedLabels() demand {
	return allowedNames{
		what: "label", field: "labels", prefixField: "labelPrefixes", variable: "deniedLabels",
		of: func(template *v1alpha1.SecretTemplate) []string { return slices.Sorted(maps.Keys(template.Labels)) },
		prefixes: func(policy *v1alpha1.SecretPolicy) []v1alpha1.NamePrefix {
			return policy.LabelPrefixes
		},
	}.demand()
}

// allowedAnnotations demands annotations of the Secret that begin with one of spec.secret.annotationPrefixes.
func allowedAnnotations() demand {
	return allowedNames{
		what: "annotation", field: "annotations", prefixField: "annotationPrefixes", variable: "deniedAnnotations",
		of: func(template *v1alpha1.SecretTemplate) []string {
			return slices.Sorted(maps.Keys(template.Annotations))
		},
		prefixes: func(policy *v1alpha1.SecretPolicy) []v1alpha1.NamePrefix {
			return policy.AnnotationPrefixes
		},
	}.demand()
}

// allowedNames describes a demand that the names in a map of spec.secret begin with an allowed prefix.
type allowedNames struct {
	// what names an entry. field and prefixField are the maps of names and prefixes in APIKey and policy, below spec.secret.
	what, field, prefixField string
	// variable is the CEL variable for the names that a request adds or gives another value, and the policy does not allow.
	variable string
	// of returns the names in order. prefixes returns the allowed prefixes; without any, every name is allowed.
	of       func(*v1alpha1.SecretTemplate) []string
	prefixes func(*v1alpha1.SecretPolicy) []v1alpha1.NamePrefix
}

// demand names the first denied name only, in alphabetical order: CEL iterates over a map in random order.
func (a allowedNames) demand() demand {
	return demand{
		name: "allowed " + a.field,
		violation: func(spec *v1alpha1.APIKeyPolicySpec, apikey *v1alpha1.APIKey) string {
			if spec.Secret == nil || apikey.Spec.Secret == nil {
				return ""
			}
			names, prefixes := a.of(apikey.Spec.Secret), a.prefixes(spec.Secret)
			denied := slices.IndexFunc(names, func(name string) bool { return !hasPrefix(name, prefixes) })
			if len(prefixes) == 0 || denied < 0 {
				return ""
			}

			return fmt.Sprintf("does not allow the %s %q on a Secret: it allows names that begin with %s.",
				a.what, names[denied], nameAll("secret."+a.prefixField, prefixes))
		},
		met: "size(variables." + a.variable + ") == 0",
		refusal: []string{
			"'does not allow the " + a.what + " \"' + variables." + a.variable + ".min() + '\" on a Secret: it allows names that begin with '",
			nameAllCEL("secret." + a.prefixField), "'.'",
		},
		variables: []admissionregistrationv1.Variable{{Name: a.variable, Expression: fmt.Sprintf(
			"!params.spec.?secret.?%[2]s.hasValue() ? [] : object.spec.?secret.?%[1]s.orValue({}).filter(name, "+
				"!params.spec.secret.%[2]s.exists(prefix, name.startsWith(prefix)) && "+
				"variables.had.?secret.?%[1]s[?name] != optional.of(object.spec.secret.%[1]s[name]))", a.field, a.prefixField)}},
	}
}

// hasPrefix reports whether a name begins with one of the prefixes.
func hasPrefix(name string, prefixes []v1alpha1.NamePrefix) bool {
	return slices.ContainsFunc(prefixes, func(prefix v1alpha1.NamePrefix) bool { return strings.HasPrefix(name, string(prefix)) })
}
