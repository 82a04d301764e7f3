// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// allowedEnvironment demands one of spec.environments.
func allowedEnvironment() demand {
	return demand{
		name: "allowed environment",
		violation: func(spec *v1alpha1.APIKeyPolicySpec, apikey *v1alpha1.APIKey) string {
			if len(spec.Environments) == 0 || slices.Contains(spec.Environments, apikey.Spec.Environment) {
				return ""
			}

			return fmt.Sprintf("does not allow environment %q: it allows %s.", apikey.Spec.Environment, quoteAll(spec.Environments))
		},
		met: "!has(params.spec.environments) || object.spec.environment in params.spec.environments || " +
			"variables.had.?environment.orValue('') == object.spec.environment",
		refusal: []string{
			`'does not allow environment "' + object.spec.environment + '": it allows '`, quoteAllCEL("params.spec.environments"), "'.'",
		},
	}
}
