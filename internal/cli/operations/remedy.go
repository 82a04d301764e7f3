// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
)

// Remedy is what makes one check pass.
type Remedy struct {
	// Advice tells what to do.
	Advice string
	// Command does it; empty: no single command does.
	Command string
	// Change is what the command changes; nil: no change of this APIKey helps.
	Change Change
}

// remedyFor returns what makes a check pass that refuses a request. apikey is nil where the key belongs to none.
func remedyFor(reason access.Reason, question Question, apikey *v1alpha1.APIKey, grant *access.Grant, now time.Time) Remedy {
	if apikey == nil {
		return remedyWithoutKey(reason)
	}
	here := " -n " + apikey.Namespace
	switch reason {
	case access.Suspended:
		return Remedy{
			Advice:  "Resume the key.",
			Command: "kubectl apikey resume " + apikey.Name + here,
			Change:  Resume(),
		}
	case access.PermissionDenied:
		return Remedy{
			Advice:  fmt.Sprintf("Add the permission %q. You need the grant for it.", question.Permission),
			Command: patchCommand(apikey, "permissions", append(slices.Clone(texts(apikey.Spec.Permissions)), string(question.Permission))),
			Change: func(key *v1alpha1.APIKey) {
				key.Spec.Permissions = append(slices.Clone(key.Spec.Permissions), question.Permission)
			},
		}
	case access.CustomerDenied:
		return Remedy{
			Advice:  fmt.Sprintf("Add the customer %q.", question.Customer),
			Command: patchCommand(apikey, "customers", append(slices.Clone(texts(apikey.Spec.Customers)), string(question.Customer))),
			Change: func(key *v1alpha1.APIKey) {
				key.Spec.Customers = append(slices.Clone(key.Spec.Customers), question.Customer)
			},
		}
	case access.WrongEnvironment:
		return Remedy{
			Advice: fmt.Sprintf("The key is for %s alone. Call the endpoint of %s, or create another APIKey for %s.",
				apikey.Spec.Environment, apikey.Spec.Environment, question.Environment),
			Command: fmt.Sprintf("kubectl apikey create %s-%s --environment %s%s",
				apikey.Name, strings.ToLower(string(question.Environment)), question.Environment, here),
		}
	case access.Revoked, access.Expired:
		return remedyForEnded(reason, apikey, grant, now)
	default:
		return remedyWithoutKey(reason)
	}
}

// remedyForEnded returns the advice about a key that has ended or was replaced.
func remedyForEnded(reason access.Reason, apikey *v1alpha1.APIKey, grant *access.Grant, now time.Time) Remedy {
	delivery := DeliveryOf(apikey, now)
	replaced := reason == access.Expired && !grant.Subject.Expired && now.Unix() < grant.Subject.ExpiresAt
	switch {
	case reason == access.Revoked && delivery.Missed:
		return Remedy{Advice: "The key was not claimed in time, so it is revoked, which is final. Create another APIKey, and claim its key."}
	case reason == access.Revoked:
		return remedyWithoutKey(reason)
	case replaced && delivery.Once:
		return replacedOnce(apikey, delivery)
	case replaced:
		return Remedy{
			Advice:  "This key was replaced. Use the key that is in the Secret now.",
			Command: "kubectl apikey reveal " + apikey.Name + " -n " + apikey.Namespace,
		}
	default:
		return Remedy{Advice: "The key has expired, which is final. Create another APIKey."}
	}
}

// replacedOnce returns the advice for a key that was replaced by one that is delivered once.
func replacedOnce(apikey *v1alpha1.APIKey, delivery Delivery) Remedy {
	if delivery.Awaits() {
		return Remedy{
			Advice:  "This key was replaced. Claim the key that took its place.",
			Command: "kubectl apikey reveal " + apikey.Name + " -n " + apikey.Namespace + " --claim",
		}
	}

	return Remedy{Advice: "This key was replaced. Use the one that took its place; only the person who claimed it has it."}
}

// remedyWithoutKey returns the advice where no change of the APIKey helps.
func remedyWithoutKey(reason access.Reason) Remedy {
	switch reason {
	case access.Misconfigured:
		return Remedy{Advice: "Let the gateway name the environment of the endpoint: Production, Staging or Development."}
	case access.Missing:
		return Remedy{Advice: "Send the key, as 'Authorization: Bearer <key>' or as 'X-API-Key: <key>'."}
	case access.Malformed:
		return Remedy{Advice: "Send the key whole: its shape or its checksum is wrong, so a character is missing, added or mistyped."}
	case access.Unknown:
		return Remedy{
			Advice: "No APIKey has this key: it was replaced, its APIKey was deleted, or it belongs to another cluster. Use the key that is in the Secret now.",
		}
	case access.Disputed:
		return Remedy{Advice: "Two APIKeys have a record of this key. Find out which one copied it, and rotate the other: their conditions name both."}
	case access.Revoked:
		return Remedy{Advice: "The key is revoked, which is final. Create another APIKey."}
	default:
		return Remedy{Advice: reason.Detail()}
	}
}

// patchCommand returns a command that sets a list of spec.
func patchCommand(apikey *v1alpha1.APIKey, field string, values []string) string {
	quoted := make([]string, len(values))
	for i, value := range values {
		quoted[i] = fmt.Sprintf("%q", value)
	}

	return fmt.Sprintf(`kubectl patch apikeys.apikey-operator.io %s -n %s --type=merge -p '{"spec":{%q:[%s]}}'`,
		apikey.Name, apikey.Namespace, field, strings.Join(quoted, ","))
}

func texts[T ~string](values []T) []string {
	all := make([]string, len(values))
	for i, value := range values {
		all[i] = string(value)
	}

	return all
}
