// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"syscall"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/apikey-operator/apikey-operator/internal/cli/backup"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
)

// report prints what happened to one object.
func (r *restoration) report(outcome backup.Outcome) {
	name := outcome.Kind + " " + outcome.Name.Name
	if outcome.Name.Namespace != "" {
		name = outcome.Kind + " " + outcome.Name.String()
	}
	if outcome.Err != nil {
		r.say("%s was not restored: %v", name, outcome.Err)
		r.failed.add(outcome.Err)

		return
	}
	suffix := map[dryRun]string{dryRunClient: " (dry run)", dryRunServer: " (server dry run)"}[dryRun(r.options.mode)]
	if _, err := fmt.Fprintf(r.stdout(), "%s %s%s\n", name, outcome.Done, suffix); err != nil {
		r.failed.add(err)
	}
	for _, note := range outcome.Notes {
		r.say("%s: %s", name, note)
	}
}

// partialError tells that a command has left objects out. It was told of each before.
type partialError struct {
	text string
	errs []error
}

func (e *partialError) add(err error) { e.errs = append(e.errs, err) }

// orNil returns the error with a text, or nil if nothing was left out.
func (e *partialError) orNil(format string, args ...any) error {
	if len(e.errs) == 0 {
		return nil
	}
	e.text = fmt.Sprintf(format, args...) + ": see above"

	return e
}

// Error implements error.
func (e *partialError) Error() string { return e.text }

// Unwrap returns the errors that decide about the exit code: a missing right, and a reader that has gone.
func (e *partialError) Unwrap() []error {
	var decisive []error
	for _, err := range e.errs {
		if apierrors.IsForbidden(err) || errors.As(err, new(*operations.ForbiddenError)) || errors.Is(err, syscall.EPIPE) {
			decisive = append(decisive, err)
		}
	}

	return decisive
}
