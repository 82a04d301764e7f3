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

func customersMissing(spec *v1alpha1.APIKeyPolicySpec, key *v1alpha1.APIKey) string {
	if spec.Customers == nil || !spec.Customers.Required && len(spec.Customers.Allowed) == 0 || len(key.Spec.Customers) > 0 {
		return ""
	}

	return "demands customers: set spec.customers, without which a key is for every customer."
}

func customersDenied(spec *v1alpha1.APIKeyPolicySpec, key *v1alpha1.APIKey) string {
	if spec.Customers == nil {
		return ""
	}

	return listDenied("customers", "customers.allowed", key.Spec.Customers, spec.Customers.Allowed)
}

func overlapTooLong(spec *v1alpha1.APIKeyPolicySpec, key *v1alpha1.APIKey) string {
	maximum, limited := maximumOverlap(spec)
	if !limited || key.Spec.Rotation == nil {
		return ""
	}
	if declared, _ := parseDuration(key.Spec.Rotation.Overlap); declared <= maximum {
		return ""
	}

	return fmt.Sprintf("lets a replaced key work at most %s longer: spec.rotation.overlap is %s.", spec.Rotation.MaximumOverlap, key.Spec.Rotation.Overlap)
}

// maximumOverlap returns the longest overlap that a policy allows; false: it does not say.
func maximumOverlap(spec *v1alpha1.APIKeyPolicySpec) (time.Duration, bool) {
	if spec.Rotation == nil {
		return 0, false
	}

	return parseDuration(spec.Rotation.MaximumOverlap)
}

func labelDenied(spec *v1alpha1.APIKeyPolicySpec, key *v1alpha1.APIKey) string {
	if spec.Secret == nil || key.Spec.Secret == nil {
		return ""
	}

	return nameDenied("label", "secret.labelPrefixes", key.Spec.Secret.Labels, spec.Secret.LabelPrefixes)
}

func annotationDenied(spec *v1alpha1.APIKeyPolicySpec, key *v1alpha1.APIKey) string {
	if spec.Secret == nil || key.Spec.Secret == nil {
		return ""
	}

	return nameDenied("annotation", "secret.annotationPrefixes", key.Spec.Secret.Annotations, spec.Secret.AnnotationPrefixes)
}

// nameDenied is about the first name, by order, that begins with none of the prefixes; no prefixes: all names are allowed.
func nameDenied[V any](what, field string, names map[string]V, prefixes []v1alpha1.NamePrefix) string {
	var denied []string
	for name := range names {
		if !slices.ContainsFunc(prefixes, func(prefix v1alpha1.NamePrefix) bool { return strings.HasPrefix(name, string(prefix)) }) {
			denied = append(denied, name)
		}
	}
	if len(prefixes) == 0 || len(denied) == 0 {
		return ""
	}

	return fmt.Sprintf("does not allow the %s %q on a Secret: it allows names that begin with %s.", what, slices.Min(denied), few(field, prefixes))
}
