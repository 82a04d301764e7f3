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

// Limit is how long an API server may take. It takes seconds, and up to a minute where it is slow or a CRD came back.
const Limit = 2 * time.Minute

// pollInterval is the pause between two rounds of requests.
const pollInterval = 200 * time.Millisecond

// probe is a request to the API server whose answer is known.
type probe struct {
	subject string // whose answer it is: "guardrail limits"
	// ask returns nil if the answer is as it must be, an untold error if no answer can tell, and else what is wrong with it.
	ask func(context.Context) error
}

// untold is the reason why an API server cannot be asked something. Waiting longer changes nothing about it.
type untold struct{ reason string }

func (u untold) Error() string { return u.reason }

// await asks until all answers of one round are as they must be. It returns what could not be asked, a sentence each.
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
		if notes, wrong = askAll(ctx, probes); wrong == nil && ctx.Err() == nil {
			return notes, nil
		}
		if ctx.Err() == nil { // else the answers before say more
			last = wrong
		}
		timer.Reset(pollInterval)
	}
}

// askAll makes one round.
func askAll(ctx context.Context, probes []probe) (notes []string, err error) {
	var wrong []string
	for _, p := range probes {
		err := p.ask(ctx)
		switch {
		case err == nil:
		case errors.As(err, new(untold)):
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
