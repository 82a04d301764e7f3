// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// refusedError is a definite refusal by the API server: the request was not carried out, and a retry succeeds only after a change of
// permissions, policies or quotas. So it is reported in a condition at once, where other failures are retried first.
type refusedError struct {
	// announced is the digest of the key that the refused write would have handed out; empty: it was not about a key.
	announced string
	what      string
	cause     error
}

func (e *refusedError) Error() string {
	return fmt.Sprintf("The API server refused to %s: %v", e.what, e.cause)
}
func (e *refusedError) Unwrap() error { return e.cause }

// asRefused returns a refusedError for a refusal, and wraps every other error with the request that failed.
func asRefused(err error, announced, format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	switch {
	case err == nil:
		return nil
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return err
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsMethodNotSupported(err):
		return &refusedError{announced: announced, what: what, cause: err}
	default:
		return fmt.Errorf("%s: %w", what, err)
	}
}

// goneError says that the APIKey was deleted before its status was written. It is no failure.
type goneError struct{ cause error }

func (e *goneError) Error() string {
	return "the APIKey was deleted before its status was written: " + e.cause.Error()
}
func (e *goneError) Unwrap() error { return e.cause }
