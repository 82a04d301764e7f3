// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"slices"
	"strings"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Names of what a gateway can say about an endpoint: in context_extensions, or in the query of the verify URL.
const (
	NeedEnvironment = "environment"
	NeedPermission  = "permission"
	NeedCustomer    = "customer"
	NeedCredential  = "credential"
	NeedIdentity    = "identity"
)

// Needs is what an endpoint needs, by the configuration of the gateway. The zero value is an endpoint that nobody configured.
type Needs struct {
	environment v1alpha1.Environment
	permission  v1alpha1.Permission
	customer    v1alpha1.Customer
	credential  string      // the header that the key must be in; empty: any
	identity    IdentitySet // what the API is told; 0: everything
	complaint   string
}

// Set takes one of the names and its value. A name that is not known, is there twice or has no value makes the whole
// request Misconfigured: a misspelled or empty "permission" must not open the endpoint to every key.
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

// set sets what is not set yet, and says whether it was.
func set[T ~string](to *T, value string) (twice bool) {
	if *to != "" {
		return true
	}
	*to = T(value)

	return false
}

// setIdentity takes the names of identity headers, without their prefix and with commas between them.
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

// header is the one that the key must be in, or AnyHeader. A header that is not known is a complaint: a misspelled one
// would refuse every request and not say why.
func (n *Needs) header(known *CredentialHeaders) CredentialHeader {
	if n.credential == "" {
		return AnyHeader
	}
	header, ok := known.Find(n.credential)
	if !ok {
		n.Complain(fmt.Sprintf("%s is %s: it must be one of %s, to which --credential-headers adds more",
			NeedCredential, quoted(n.credential), strings.Join(known.names, ", ")))

		return AnyHeader
	}

	return header
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
