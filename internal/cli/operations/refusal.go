// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"fmt"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// ForbiddenError tells which RBAC rule a user lacks.
type ForbiddenError struct {
	// User, Verb, Resource, Group and Namespace are what the API server asked its authorizer; Namespace is empty for the whole cluster.
	User, Verb, Resource, Group, Namespace string

	err error
}

// Error implements error. It holds a rule that an administrator can copy.
func (e *ForbiddenError) Error() string {
	kind := "ClusterRole"
	if e.Namespace != "" {
		kind = "Role or ClusterRole"
	}

	return fmt.Sprintf("%s An administrator can allow it with a %s that has the rule %s.", e.What(), kind, e.Rule())
}

// What returns a sentence about what the user may not do.
func (e *ForbiddenError) What() string {
	where := "in the whole cluster"
	if e.Namespace != "" {
		where = fmt.Sprintf("in namespace %q", e.Namespace)
	}

	return fmt.Sprintf("%s may not %s %s %s.", e.User, e.Verb, e.Resource, where)
}

// Rule returns the missing rule, as it stands in a role.
func (e *ForbiddenError) Rule() string {
	return fmt.Sprintf("{apiGroups: [%q], resources: [%q], verbs: [%q]}", e.Group, e.Resource, e.Verb)
}

// Unwrap returns the error of the API server.
func (e *ForbiddenError) Unwrap() error { return e.err }

// WithMissingRule makes a refusal by RBAC name the rule that is missing. Other errors are returned as they are; the refusals of this
// project's admission policies name theirs already.
func WithMissingRule(err error) error {
	if !apierrors.IsForbidden(err) {
		return err
	}
	// Kubernetes' own text, of k8s.io/apiserver/pkg/endpoints/handlers/responsewriters: it holds what was asked.
	asked := regexp.MustCompile(`User "([^"]*)" cannot (\S+) resource "([^"]+)" in API group "([^"]*)" (?:in the namespace "([^"]+)"|at the cluster scope)`).
		FindStringSubmatch(err.Error())
	if asked == nil {
		return err
	}

	return &ForbiddenError{User: asked[1], Verb: asked[2], Resource: asked[3], Group: asked[4], Namespace: strings.TrimSpace(asked[5]), err: err}
}
