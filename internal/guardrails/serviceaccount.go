// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails

import "strings"

// serviceAccountPrefix is what the user name of every service account begins with.
const serviceAccountPrefix = "system:serviceaccount:"

// ServiceAccount is who a program is to the API server.
type ServiceAccount struct{ Namespace, Name string }

// Username is the user name of the service account.
func (a ServiceAccount) Username() string {
	return serviceAccountPrefix + a.Namespace + ":" + a.Name
}

// ParseUsername is the service account that has a user name; false: it is not that of a service account.
func ParseUsername(username string) (ServiceAccount, bool) {
	rest, found := strings.CutPrefix(username, serviceAccountPrefix)
	namespace, name, both := strings.Cut(rest, ":")
	if !found || !both || namespace == "" || name == "" || strings.Contains(name, ":") {
		return ServiceAccount{}, false
	}

	return ServiceAccount{Namespace: namespace, Name: name}, true
}

// The variables that hold the user names.
const (
	operatorVariable = "operator"
	verifierVariable = "verifier"
)

// variable is a CEL variable that holds the user name. The names stand in the expression as strings of their own: kustomize
// replaces what is between the quotes, by position, with those of the deployment (config/default/kustomization.yaml).
func (a ServiceAccount) variable(name string) variable {
	return variable{
		Name:       name,
		Expression: quoted(serviceAccountPrefix) + " + " + quoted(a.Namespace) + " + ':' + " + quoted(a.Name),
	}
}

// parseVariable is the service account whose user name such an expression holds; false: it is no such expression.
func parseVariable(expression string) (ServiceAccount, bool) {
	parts := strings.Split(expression, "'")
	if len(parts) < 8 {
		return ServiceAccount{}, false
	}
	account := ServiceAccount{Namespace: parts[3], Name: parts[7]}

	return account, expression == account.variable("").Expression
}
