// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// refusedError is the API server's definite no. The request was not carried out and would not be if it were repeated
// unless somebody changes something, so that it is worth a condition; other failures are only worth another try.
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

// asRefused makes a refusedError of an error that is one, and says in others what was tried.
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

// goneError says that the APIKey was deleted before its status was written, which is no failure.
type goneError struct{ cause error }

func (e *goneError) Error() string { return "the APIKey was deleted meanwhile: " + e.cause.Error() }
func (e *goneError) Unwrap() error { return e.cause }
