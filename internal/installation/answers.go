// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// errAccepted is the answer to a request that had to be refused.
var errAccepted = errors.New("a request that it must refuse was accepted")

// anyPolicy stands in every answer of a ValidatingAdmissionPolicy.
const anyPolicy = "ValidatingAdmissionPolicy '"

// deniedByPolicy is how an API server says which ValidatingAdmissionPolicy has refused.
var deniedByPolicy = regexp.MustCompile(anyPolicy + `([^']+)' with binding '[^']+' denied request: `)

// refusingPolicy returns the name of the policy whose rule has refused a request; empty: none has.
//
// The rules of the guardrails refuse with the reason Forbidden. A policy that the API server cannot evaluate yet refuses
// everything with the reason Invalid, and RBAC names no policy.
func refusingPolicy(err error) string {
	match := deniedByPolicy.FindStringSubmatch(fmt.Sprint(err))
	if match == nil || !apierrors.IsForbidden(err) {
		return ""
	}

	return match[1]
}

// served returns nil if a schema has refused an object.
func served(err error) error {
	switch {
	case err == nil:
		return errors.New("an object without a valid spec was accepted")
	case apierrors.IsInvalid(err) && !strings.Contains(err.Error(), anyPolicy):
		return nil
	default:
		return err
	}
}
