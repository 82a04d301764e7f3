// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails

import "github.com/apikey-operator/apikey-operator/internal/policy"

// rotateAnnotationReadable is the validation of a rotate annotation that is set or changed. An older annotation that cannot be
// read rotates with the overlap of spec.
func rotateAnnotationReadable() validation {
	rule := forbidden("!variables.rotateChanged || variables.rotateOverlap != -2", "")
	rule.Message = policy.ErrRotateRequest.Error()

	return rule
}
