// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"slices"
	"strings"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Names of the requirements of an endpoint, in context_extensions or in the query of the verify URL.
const (
	NeedEnvironment = "environment"
	NeedPermission  = "permission"
	NeedCustomer    = "customer"
	NeedCredential  = "credential"
	NeedIdentity    = "identity"
)

// Needs are the requirements of an endpoint, from the configuration of the gateway. The zero value is invalid.
type Needs struct {
	environment v1alpha1.Environment
	permission  v1alpha1.Permission
	customer    v1alpha1.Customer
	credential  string      // the header that the key must be in; empty: any
	identity    IdentitySet // the identity headers that the API gets; 0: all
	complaint   string
}

// Set sets one requirement. A name that is unknown, repeated or without a value makes the request Misconfigured: a misspelled or empty
// "permission" must not open the endpoint to every key.
func (n *Needs) Set(name, value string) {
	if value == "" {
		n.Complain(name + " has no value: leave it out where the endpoint needs none")

		return
	}
	var twice bool
	switch name {
	case NeedEnvironment:
		twice = set(&n.environment, value)
	case NeedPermission:
		twice = set(&n.permission, value)
	case NeedCustomer:
		twice = set(&n.customer, value)
	case NeedCredential:
		twice = set(&n.credential, value)
	case NeedIdentity:
		if twice = n.identity != 0; !twice {
			n.setIdentity(value)
		}
	default:
		n.Complain(fmt.Sprintf("%s is not known: there are %s, %s, %s, %s and %s",
			quoted(name), NeedEnvironment, NeedPermission, NeedCustomer, NeedCredential, NeedIdentity))
	}
	if twice {
		n.Complain(name + " is there twice")
	}
}

// set sets a requirement. It returns true, and sets nothing, if it was set before.
func set[T ~string](to *T, value string) (twice bool) {
	if *to != "" {
		return true
	}
	*to = T(value)

	return false
}

// setIdentity parses names of identity headers, without their prefix and separated by commas.
func (n *Needs) setIdentity(value string) {
	names := IdentityNames()
	for word := range strings.SplitSeq(value, ",") {
		at := slices.Index(names[:], identityPrefix+word)
		switch {
		case at < 0:
			n.Complain(
				fmt.Sprintf("%s is %s: it must be names of %s* headers without that prefix, such as id,owner", NeedIdentity, quoted(value), identityPrefix),
			)

			return
		case n.identity.Has(at):
			n.Complain(NeedIdentity + " names " + word + " twice")

			return
		}
		n.identity |= 1 << at
	}
}

// header returns the header that the key must be in, or AnyHeader. An unknown header is a complaint: a misspelled one would refuse every
// request without an explanation.
func (n *Needs) header(credentials *CredentialHeaders) CredentialHeader {
	if n.credential == "" {
		return AnyHeader
	}
	header, ok := credentials.Find(n.credential)
	if !ok {
		n.Complain(fmt.Sprintf("%s is %s: it must be one of %s, to which --credential-headers adds more",
			NeedCredential, quoted(n.credential), strings.Join(credentials.names, ", ")))

		return AnyHeader
	}

	return header
}

// Complain makes the request Misconfigured, for a reason that is logged. The first complaint counts.
func (n *Needs) Complain(what string) {
	if n.complaint == "" {
		n.complaint = what
	}
}

// validEnvironment returns the environment, or none if a requirement is invalid.
func (n *Needs) validEnvironment() v1alpha1.Environment {
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

// trouble describes what is invalid; empty: nothing.
func (n *Needs) trouble() string {
	switch {
	case n.complaint != "":
		return n.complaint
	case n.validEnvironment() != "":
		return ""
	default:
		return fmt.Sprintf("environment is %s: it must be Production, Staging or Development", quoted(string(n.environment)))
	}
}
