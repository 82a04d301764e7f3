// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// requiredRotation demands a scheduled rotation.
func requiredRotation() demand {
	return demand{
		name: "required rotation",
		violation: func(spec *v1alpha1.APIKeyPolicySpec, apikey *v1alpha1.APIKey) string {
			switch {
			case spec.Rotation == nil || !spec.Rotation.Required || every(apikey) > 0:
				return ""
			case spec.Rotation.MaximumAge != "":
				return fmt.Sprintf("demands a rotation: set spec.rotation.every to at most %s.", spec.Rotation.MaximumAge)
			default:
				return "demands a rotation: set spec.rotation.every."
			}
		},
		met: "!params.spec.?rotation.?required.orValue(false) || object.spec.?rotation.?every.hasValue() || " +
			"(request.operation != 'CREATE' && !variables.had.?rotation.?every.hasValue())",
		refusal: []string{
			"'demands a rotation: set spec.rotation.every'",
			"(has(params.spec.rotation.maximumAge) ? ' to at most ' + params.spec.rotation.maximumAge + '.' : '.')",
		},
	}
}

// maximumAge demands that a scheduled rotation replaces a key before it is older than spec.rotation.maximumAge. An APIKey
// without a schedule meets it; outgrows reports when its key becomes too old.
func maximumAge() demand {
	const maximum, declared, before = "params.spec.rotation.maximumAge", "object.spec.rotation.every", "variables.had.rotation.every"

	return demand{
		name: "maximum age",
		violation: func(spec *v1alpha1.APIKeyPolicySpec, apikey *v1alpha1.APIKey) string {
			age := oldest(spec)
			if age == 0 || every(apikey) <= age {
				return ""
			}

			return fmt.Sprintf("demands that a key is at most %s old: spec.rotation.every is %s.", spec.Rotation.MaximumAge, apikey.Spec.Rotation.Every)
		},
		met: "!params.spec.?rotation.?maximumAge.hasValue() || !object.spec.?rotation.?every.hasValue() || " +
			SecondsCEL(declared, 0) + " <= duration(" + maximum + ").getSeconds() || " +
			"(variables.had.?rotation.?every.hasValue() && " + SecondsCEL(declared, 0) + " <= " + SecondsCEL(before, 0) + ")",
		refusal: []string{
			"'demands that a key is at most ' + " + maximum + " + ' old: spec.rotation.every is ' + " + declared + " + '.'",
		},
	}
}

// outgrows returns when the active key of an APIKey without a schedule becomes older than a policy allows; nil means never.
func outgrows(policy *v1alpha1.APIKeyPolicy, apikey *v1alpha1.APIKey) *metav1.Time {
	records := apikey.Status.Keys
	active := slices.IndexFunc(records, func(r v1alpha1.KeyRecord) bool { return r.State == v1alpha1.KeyActive })
	age := oldest(&policy.Spec)
	if active < 0 || age == 0 || every(apikey) > 0 {
		return nil
	}

	return v1alpha1.StorableTime(records[active].CreatedAt.Add(age.Truncate(time.Second)))
}

// tooOld describes the violation of a policy by a key that has outgrown it.
func tooOld(spec *v1alpha1.APIKeyPolicySpec) string {
	return fmt.Sprintf("demands that a key is at most %s old: the active one is older. Rotate it, or set spec.rotation.every.", spec.Rotation.MaximumAge)
}

// every returns the interval of scheduled rotations; 0 means that there are none.
func every(apikey *v1alpha1.APIKey) time.Duration {
	if apikey.Spec.Rotation == nil {
		return 0
	}
	interval, _ := apikey.Spec.Rotation.Every.Parse()

	return interval
}

// oldest returns the age that a policy allows a key; 0 means any age.
func oldest(spec *v1alpha1.APIKeyPolicySpec) time.Duration {
	if spec.Rotation == nil {
		return 0
	}
	age, _ := spec.Rotation.MaximumAge.Parse()

	return age
}
