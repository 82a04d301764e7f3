// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"cmp"
	"fmt"

	"github.com/apikey-operator/apikey-operator/internal/access"
)

// CheckWords says what a check of the verifier is about, as a statement that holds where the check passes.
func CheckWords(reason access.Reason, question Question) string {
	text := map[access.Reason]string{
		access.Misconfigured:    "the gateway names the environment of the endpoint",
		access.Missing:          "a credential was sent",
		access.Ambiguous:        "one credential was sent, not several",
		access.Malformed:        "the credential has the shape and the checksum of a key",
		access.Stale:            "the verifier is in touch with the cluster",
		access.Unknown:          "an APIKey has this key",
		access.Disputed:         "only one APIKey has it",
		access.Revoked:          "it is not revoked, and its APIKey is not being deleted",
		access.Expired:          "it has not expired and was not replaced",
		access.Suspended:        "it is not suspended",
		access.WrongEnvironment: fmt.Sprintf("it is for %s", cmp.Or(string(question.Environment), "the environment of the endpoint")),
		access.PermissionDenied: fmt.Sprintf("it has the permission %s", cmp.Or(string(question.Permission), "that the endpoint needs: none")),
		access.CustomerDenied:   fmt.Sprintf("it is for the customer %s", cmp.Or(string(question.Customer), "of the endpoint: none in particular")),
	}[reason]

	return cmp.Or(text, reason.String())
}
