// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails

import "strings"

// serviceAccountPrefix begins the user name of every service account.
const serviceAccountPrefix = "system:serviceaccount:"

// ServiceAccount identifies a program to the API server.
type ServiceAccount struct{ Namespace, Name string }

// Username returns the user name of the service account.
func (a ServiceAccount) Username() string {
	return serviceAccountPrefix + a.Namespace + ":" + a.Name
}

// ParseUsername returns the service account that has a user name, or false if no service account has it.
func ParseUsername(username string) (ServiceAccount, bool) {
	rest, found := strings.CutPrefix(username, serviceAccountPrefix)
	namespace, name, both := strings.Cut(rest, ":")
	if !found || !both || namespace == "" || name == "" || strings.Contains(name, ":") {
		return ServiceAccount{}, false
	}

	return ServiceAccount{Namespace: namespace, Name: name}, true
}

// The CEL variables that hold user names.
const (
	operatorVariable = "operator"
	verifierVariable = "verifier"
)

// variable returns a CEL variable that holds the user name. Namespace and name are separate strings in the expression, so that
// kustomize and Helm can insert each of them.
func (a ServiceAccount) variable(name string) variable {
	return variable{
		Name:       name,
		Expression: quoted(serviceAccountPrefix) + " + " + quoted(a.Namespace) + " + ':' + " + quoted(a.Name),
	}
}

// parseVariable returns the service account whose user name an expression of variable holds, or false for any other expression.
func parseVariable(expression string) (ServiceAccount, bool) {
	between := strings.Split(expression, "'")
	if len(between) < 8 {
		return ServiceAccount{}, false
	}
	account := ServiceAccount{Namespace: between[3], Name: between[7]}

	return account, expression == account.variable("").Expression
}
