// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/apikey-operator/apikey-operator/hack/soak/oracle"
	"github.com/apikey-operator/apikey-operator/hack/soak/schedule"
	"github.com/apikey-operator/apikey-operator/internal/server"
)

const (
	// askers is how many requests are under way to each verifier at most, and askEvery the time between two of an asker.
	askers   = 2
	askEvery = 20 * time.Millisecond
	// askTimeout is how long an answer is waited for.
	askTimeout = 3 * time.Second
)

// asker asks one verifier about keys.
type asker struct {
	target schedule.Target
	url    string
	client *http.Client
	vault  *vault
	oracle *oracle.Oracle
	tally  *tally
}

// run asks about keys until ctx ends.
func (a *asker) run(ctx context.Context) {
	for pause(ctx, askEvery) {
		digest, text, ok := a.vault.pick()
		if !ok {
			continue
		}
		answer, err := a.ask(ctx, digest, text)
		if err != nil {
			a.tally.unanswer(a.target)

			continue
		}
		a.tally.answered(a.target, answer.Sent, answer.Received, answer.Code != http.StatusServiceUnavailable)
		a.oracle.Answered(answer)
	}
}

// ask asks about a key, as a gateway does.
func (a *asker) ask(ctx context.Context, digest, text string) (oracle.Answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url, http.NoBody) //nolint:gosec // the address of a verifier that was started here
	if err != nil {
		return oracle.Answer{}, err
	}
	request.Header.Set("X-API-Key", text)
	answer := oracle.Answer{Verifier: a.target, Digest: digest, Sent: time.Now()}
	response, err := a.client.Do(request) //nolint:gosec // as above
	if err != nil {
		return answer, err
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, response.Body) // the connection is used again
	answer.Received, answer.Code, answer.Reason = time.Now(), response.StatusCode, response.Header.Get(server.HeaderReason)

	return answer, nil
}
