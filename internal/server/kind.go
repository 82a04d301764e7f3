// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import "strings"

// Kind is what a header is to the verifier.
type Kind uint8

// The kinds of headers.
const (
	// Other headers mean nothing here.
	Other Kind = iota
	// Carrier headers carry a credential.
	Carrier
	// CarrierLookAlike headers are read as one that carries a credential by some servers and not by others.
	CarrierLookAlike
	// ClientIdentity headers are, or are read by some servers as, those that only the verifier may set.
	ClientIdentity
)

// Kind says what a header is, and which of the headers that carry a credential, or AnyHeader. Servers behind gateways see
// names in forms where letters have no case, and all that is neither letter nor digit is the same: CGI (RFC 3875, section
// 4.1.18) turns '-' into '_', and what has followed it the rest, too.
func (h *CredentialHeaders) Kind(name string) (Kind, CredentialHeader) {
	if len(name) < len(h.byLength) {
		for _, header := range h.byLength[len(name)] {
			switch known := h.names[header]; {
			case strings.EqualFold(name, known):
				return Carrier, header
			case looksLike(name, known):
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

// looksLike says whether a name is another but for case and separators.
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

// folded is a character without case, and '-' for all that is neither letter nor digit.
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

// LookAlikes are all ways to spell a header with '-', '_' and '.', without the header itself: those that are read as it by most
// servers that read any so.
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
