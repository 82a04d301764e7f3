// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/values"
)

// parseSpan reads a length of time of the command line.
func parseSpan(text string) (time.Duration, v1alpha1.Duration, error) {
	length, written, err := values.Span(text)
	if err != nil {
		return 0, "", usagef("%v", err)
	}

	return length, written, nil
}

// parseLimit reads the rate limit of the command line.
func parseLimit(text string) (*v1alpha1.RateLimit, error) {
	limit, err := values.RateLimit(text)
	if err != nil {
		return nil, usagef("--rate-limit %v", err)
	}

	return limit, nil
}

// parseEnd reads the end of a key of the command line.
func parseEnd(text string) (*metav1.Time, error) {
	at, err := values.End(text)
	if err != nil {
		return nil, usagef("--expires-at %v", err)
	}

	return at, nil
}
