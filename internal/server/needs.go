// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Names of what a gateway can say about an endpoint: in context_extensions, or in the query of the verify URL.
const (
	NeedEnvironment = "environment"
	NeedPermission  = "permission"
	NeedCustomer    = "customer"
)

// Needs is what an endpoint needs, by the configuration of the gateway. The zero value is an endpoint that nobody configured.
type Needs struct {
	environment v1alpha1.Environment
	permission  v1alpha1.Permission
	customer    v1alpha1.Customer
	complaint   string
}

// Set takes one of the names and its value. A name that is not known, is there twice or has no value makes the whole
// request Misconfigured: a misspelled or empty "permission" must not open the endpoint to every key.
func (n *Needs) Set(name, value string) {
	switch {
	case value == "":
		n.Complain(name + " has no value: leave it out where the endpoint needs none")
	case name == NeedEnvironment && n.environment == "":
		n.environment = v1alpha1.Environment(value)
	case name == NeedPermission && n.permission == "":
		n.permission = v1alpha1.Permission(value)
	case name == NeedCustomer && n.customer == "":
		n.customer = v1alpha1.Customer(value)
	case name == NeedEnvironment, name == NeedPermission, name == NeedCustomer:
		n.Complain(name + " is there twice")
	default:
		n.Complain(fmt.Sprintf("%s is not known: there are %s, %s and %s",
			quoted(name), NeedEnvironment, NeedPermission, NeedCustomer))
	}
}

// Complain makes the request Misconfigured and says why, for the log. The first complaint counts.
func (n *Needs) Complain(what string) {
	if n.complaint == "" {
		n.complaint = what
	}
}

// known is the environment, or none where the configuration makes no sense.
func (n *Needs) known() v1alpha1.Environment {
	if n.complaint != "" {
		return ""
	}
	switch n.environment {
	case v1alpha1.EnvironmentProduction, v1alpha1.EnvironmentStaging, v1alpha1.EnvironmentDevelopment:
		return n.environment
	default:
		return ""
	}
}

// trouble is what is wrong with the configuration; empty: nothing.
func (n *Needs) trouble() string {
	switch {
	case n.complaint != "":
		return n.complaint
	case n.known() != "":
		return ""
	default:
		return fmt.Sprintf("environment is %s: it must be Production, Staging or Development", quoted(string(n.environment)))
	}
}
