// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/cli/prompt"
)

// The exit codes, as `kubectl apikey --help` lists them.
const (
	ExitDone        = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitForbidden   = 3
	ExitNotFound    = 4
	ExitTimeout     = 5
	ExitUnconfirmed = 6
	ExitFindings    = 7
	exitBrokenPipe  = 128 + int(syscall.SIGPIPE)
)

// exitCodes documents the exit codes.
const exitCodes = `Exit codes:
  0    done
  1    failed: the API server or the operator refused it, or could not be reached
  2    the command line is wrong, or holds an API key
  3    a right is missing; the message names the RBAC rule
  4    there is no such APIKey, or none that -l selects for a change
  5    the time limit of a wait has passed; what was asked for stays asked for
  6    not confirmed: the answer was not yes, or there is no terminal and no --yes
  7    findings: explain would be refused, leaked found a key, audit found something
  130  interrupted with Ctrl-C (143: by SIGTERM, 141: the reader of the output has gone)`

// usageError tells that the command line is wrong.
type usageError struct{ text string }

// Error implements error.
func (e usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// InterruptError is the cause of a context that a signal has ended.
type InterruptError struct{ Signal syscall.Signal }

// Error implements error.
func (e InterruptError) Error() string { return "interrupted" }

// errFindings makes the program exit with ExitFindings. What was found is printed already.
var errFindings = errors.New("findings")

// conclude returns the exit code for an error, and what to tell the person; empty: nothing.
func conclude(err error) (code int, message string) {
	var interrupted InterruptError
	var usage usageError
	var forbidden *operations.ForbiddenError
	switch {
	case err == nil:
		return ExitDone, ""
	case errors.As(err, &interrupted):
		return 128 + int(interrupted.Signal), ""
	case errors.Is(err, syscall.EPIPE):
		return exitBrokenPipe, ""
	case errors.Is(err, errFindings):
		return ExitFindings, ""
	case errors.As(err, &usage):
		return ExitUsage, usage.text
	case errors.As(err, &forbidden), apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return ExitForbidden, err.Error()
	case errors.As(err, new(noMatchError)):
		return ExitNotFound, err.Error()
	case apierrors.IsNotFound(err):
		return ExitNotFound, notFound(err)
	case errors.Is(err, operations.ErrWaitTimeout), errors.Is(err, context.DeadlineExceeded):
		return ExitTimeout, err.Error()
	case errors.Is(err, prompt.ErrDeclined), errors.Is(err, errNoTerminal):
		return ExitUnconfirmed, err.Error()
	case errors.As(err, new(*net.OpError)), errors.As(err, new(*net.DNSError)):
		return ExitFailed, "the API server cannot be reached: " + err.Error() + "; check --context, --server and the kubeconfig"
	default:
		return ExitFailed, err.Error()
	}
}

// notFound explains what a missing resource can mean.
func notFound(err error) string {
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Details != nil && status.Status().Details.Name == "" {
		return err.Error() + ": the cluster does not serve apikey-operator.io/v1alpha1; install the CRDs, or choose another --context"
	}

	return err.Error()
}
