// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import "strings"

// Kind is the meaning of a header for the verifier.
type Kind uint8

// The kinds of headers.
const (
	// Other headers have no meaning.
	Other Kind = iota
	// Carrier headers carry a credential.
	Carrier
	// CarrierLookAlike headers carry a credential for some servers and not for others.
	CarrierLookAlike
	// ClientIdentity headers are those that only the verifier may set, and their look-alikes.
	ClientIdentity
)

// Kind returns the kind of a header, and which header for keys it is or looks like, else AnyHeader. Some servers behind gateways ignore
// case and treat all characters alike that are neither letters nor digits: CGI (RFC 3875, section 4.1.18) turns '-' into '_', and its
// successors do the same with others.
func (h *CredentialHeaders) Kind(name string) (Kind, CredentialHeader) {
	if len(name) < len(h.byLength) {
		for _, header := range h.byLength[len(name)] {
			switch carrier := h.names[header]; {
			case strings.EqualFold(name, carrier):
				return Carrier, header
			case looksLike(name, carrier):
				return CarrierLookAlike, header
			}
		}
	}

	return kindOfIdentity(name), AnyHeader
}

func kindOfIdentity(name string) Kind {
	const prefix = "x-apikey-"
	if len(name) >= len(prefix) && looksLike(name[:len(prefix)], prefix) {
		return ClientIdentity
	}

	return Other
}

// looksLike reports whether two names differ only in case and separators.
func looksLike(name, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i := range len(name) {
		if folded(name[i]) != lower[i] {
			return false
		}
	}

	return true
}

// folded returns a letter in lower case, a digit, or '-' for every other character.
func folded(c byte) byte {
	switch {
	case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		return c
	case 'A' <= c && c <= 'Z':
		return c + 'a' - 'A'
	default:
		return '-'
	}
}

// LookAlikes returns every spelling of a header with '-', '_' and '.' that CGI-style servers map to the same header, without the header
// itself.
func LookAlikes(name string) []string {
	spellings := []string{""}
	for _, c := range name {
		forms := string(c)
		if c == '-' {
			forms = "-_."
		}
		var longer []string
		for _, spelling := range spellings {
			for _, form := range forms {
				longer = append(longer, spelling+string(form))
			}
		}
		spellings = longer
	}

	return spellings[1:]
}
