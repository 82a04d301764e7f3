// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ui

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// failure is what the page about an error shows.
type failure struct {
	// Status of the answer.
	Status int
	// Title says what happened, Text what it means, and Advice what to do.
	Title, Text, Advice string
	// Rule is the RBAC rule that is missing; empty: none is.
	Rule string
	// Retry tells that the same request can work a moment later.
	Retry bool
}

// errNotFound tells that there is no such page.
var errNotFound = errors.New("there is no such page")

// missing answers for addresses that do not exist.
func (s *server) missing(http.ResponseWriter, *http.Request) error { return errNotFound }

// fail answers with the page about an error.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := failureOf(err)
	if isRefresh(r) && f.Status == http.StatusNotFound {
		w.WriteHeader(http.StatusNoContent) // the view stays as it was when the key was deleted

		return
	}
	s.show(w, r, f.Status, "failure", page{Title: f.Title, Data: f})
}

// failureOf returns what to show about an error.
func failureOf(err error) failure {
	var forbidden *operations.ForbiddenError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, errNotFound):
		return failure{
			Status: http.StatusNotFound, Title: "There is no such page",
			Text: "The address leads nowhere.", Advice: "Go back to the list of keys.",
		}
	case errors.As(err, &forbidden):
		return failure{
			Status: http.StatusForbidden, Title: "You may not see or do this", Rule: forbidden.Rule(),
			Text:   forbidden.What(),
			Advice: "Ask an administrator for the rule below, and load the page again.",
		}
	case apierrors.IsUnauthorized(err):
		return failure{
			Status: http.StatusUnauthorized, Title: "The cluster no longer knows you", Text: err.Error(),
			Advice: "Your login has probably ended. Log in to the cluster again, and start kubectl apikey ui again.",
		}
	case apierrors.IsNotFound(err):
		return failure{
			Status: http.StatusNotFound, Title: "There is no such key", Text: err.Error(),
			Advice: "It was deleted, or never existed.",
		}
	case apierrors.IsConflict(err), errors.Is(err, operations.ErrReplaced):
		return failure{
			Status: http.StatusConflict, Title: "Someone else was faster", Text: err.Error(), Retry: true,
			Advice: "Nothing was changed. Look at the key as it is now, and decide again.",
		}
	case errors.As(err, &tooLarge):
		return failure{
			Status: http.StatusRequestEntityTooLarge, Title: "That is too much", Text: "The form holds more than 64 KiB.", Advice: "Go back and shorten it.",
		}
	case unreachable(err):
		return failure{
			Status: http.StatusBadGateway, Title: "The cluster does not answer", Text: err.Error(), Retry: true,
			Advice: "Keys that are in use go on working: verifiers need no page. Check your connection to the cluster.",
		}
	default:
		return refusal(err)
	}
}

// refusal returns what to show where the API server refuses a change: what the schema or a guardrail says, without what surrounds it.
func refusal(err error) failure {
	f := failure{Status: http.StatusUnprocessableEntity, Title: "The API server refuses this", Retry: true}
	f.Text, f.Rule = refusalOf(err)
	var status apierrors.APIStatus
	if apierrors.IsInvalid(err) && errors.As(err, &status) && status.Status().Details != nil {
		var all []string
		for _, cause := range status.Status().Details.Causes {
			all = append(all, sentence(keys.Redact(withoutValue(cause.Message))))
		}
		f.Text = strings.Join(all, " ")
	}

	return f
}

// unreachable reports whether the API server gave no answer, or one that it cannot serve.
func unreachable(err error) bool {
	var network net.Error
	var address *url.Error

	return errors.As(err, &network) || errors.As(err, &address) || errors.Is(err, context.DeadlineExceeded) ||
		apierrors.IsServiceUnavailable(err) || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) ||
		apierrors.IsTooManyRequests(err) || apierrors.IsInternalError(err)
}
