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

// errAccepted means that the API server accepted a request that a guardrail must refuse.
var errAccepted = errors.New("a request that it must refuse was accepted")

// anyPolicy is in every answer of a ValidatingAdmissionPolicy.
const anyPolicy = "ValidatingAdmissionPolicy '"

// deniedByPolicy matches the part of an answer that names the ValidatingAdmissionPolicy that refused.
var deniedByPolicy = regexp.MustCompile(anyPolicy + `([^']+)' with binding '[^']+' denied request: `)

// refusingPolicy returns the name of the policy whose rule refused a request, or "".
//
// The rules of the guardrails refuse with the reason Forbidden. A policy that the API server cannot evaluate yet refuses every
// request with the reason Invalid. RBAC names no policy.
func refusingPolicy(err error) string {
	match := deniedByPolicy.FindStringSubmatch(fmt.Sprint(err))
	if match == nil || !apierrors.IsForbidden(err) {
		return ""
	}

	return match[1]
}

// served returns nil if a schema refused an object.
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
