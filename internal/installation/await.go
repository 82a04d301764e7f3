// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Limit is how long an API server may take. Most take seconds; a slow one, or one to which a CRD returned, takes up to a minute.
const Limit = 2 * time.Minute

// pollInterval is the pause between two rounds of probes.
const pollInterval = 200 * time.Millisecond

// probe is a request to the API server with an expected answer.
type probe struct {
	subject string // what answers, such as "guardrail limits"
	// send returns nil for the expected answer, an inconclusive error if no answer can be expected, and otherwise the wrong answer.
	send func(context.Context) error
}

// inconclusive is the reason why a probe has no expected answer for this user or cluster. Waiting longer does not change it.
type inconclusive struct{ reason string }

func (i inconclusive) Error() string { return i.reason }

// await repeats probes until one round has every expected answer. It returns a sentence for each inconclusive probe.
func await(ctx context.Context, awaited string, probes []probe) (notes []string, err error) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	last := errors.New("no answer")
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s: %w; the last answers:\n%w", awaited, context.Cause(ctx), last)
		case <-timer.C:
		}
		var wrong error
		if notes, wrong = sendAll(ctx, probes); wrong == nil && ctx.Err() == nil {
			return notes, nil
		}
		if ctx.Err() == nil { // otherwise the answers of the previous round say more
			last = wrong
		}
		timer.Reset(pollInterval)
	}
}

// sendAll sends each probe once.
func sendAll(ctx context.Context, probes []probe) (notes []string, err error) {
	var wrong []string
	for _, p := range probes {
		err := p.send(ctx)
		switch {
		case err == nil:
		case errors.As(err, new(inconclusive)):
			notes = append(notes, fmt.Sprintf("%s: %v", p.subject, err))
		default:
			wrong = append(wrong, fmt.Sprintf("  %s: %v", p.subject, err))
		}
	}
	if len(wrong) > 0 {
		return nil, errors.New(strings.Join(wrong, "\n"))
	}

	return notes, nil
}
