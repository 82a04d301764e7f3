// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// Index finds keys.
type Index interface {
	// Find returns the grant of a key; nil: there is none. Every request calls it.
	Find(digest keys.Digest) *access.Grant
	// Staleness returns for how long the index may have missed changes. Every request calls it if MaxStaleness is set.
	Staleness(now time.Time) time.Duration
}

// Limiter counts requests against rate limits.
type Limiter interface {
	// Take counts one request against the limit of the APIKey with this uid. It returns within a bounded time whatever happens.
	Take(ctx context.Context, uid string, limit access.Limit) access.Quota
}

// Uses records when keys were used.
type Uses interface {
	// Used records a use. It must not wait.
	Used(subject *access.Subject, at time.Time)
}

// Options of a Verifier. All are required unless their zero value has a meaning.
type Options struct {
	Index   Index
	Limiter Limiter
	Uses    Uses
	Clock   clock.PassiveClock
	// Log takes the access log: a line for each refused request.
	Log *slog.Logger
	// LogAllowed is the number of allowed requests for each one that is logged; 0: none is.
	LogAllowed uint64
	// LogRefused is the number of refused requests of each reason and second that are logged one by one; 0: all. See SummarizeRefusals.
	LogRefused uint64
	// Registerer takes the metrics.
	Registerer prometheus.Registerer
	// MaxStaleness is the staleness of the index beyond which requests are refused as stale; 0: they never are.
	MaxStaleness time.Duration
	// PassStale lets requests beyond MaxStaleness be decided all the same. They are counted.
	PassStale bool
	// Credentials are the headers that may carry a key; nil: Authorization and X-API-Key.
	Credentials *CredentialHeaders
}

// Verifier answers requests, many at once.
type Verifier struct {
	index   Index
	limiter Limiter
	uses    Uses
	clock   clock.PassiveClock
	log     accessLog
	metrics *metrics

	maxStaleness time.Duration
	passStale    bool
	credentials  *CredentialHeaders
}

// New makes a Verifier and registers its metrics.
func New(opts Options) (*Verifier, error) {
	m, err := newMetrics(opts.Registerer)
	if opts.Credentials == nil {
		credentials, invalid := NewCredentialHeaders()
		opts.Credentials, err = credentials, errors.Join(err, invalid)
	}

	return &Verifier{
		credentials: opts.Credentials, maxStaleness: opts.MaxStaleness, passStale: opts.PassStale,
		index: opts.Index, limiter: opts.Limiter, uses: opts.Uses, clock: opts.Clock,
		log: accessLog{to: opts.Log, allowed: opts.LogAllowed, refused: refusalLog{perSecond: opts.LogRefused}}, metrics: m,
	}, err
}

// Credentials returns the headers that may carry a key.
func (v *Verifier) Credentials() *CredentialHeaders { return v.credentials }

// Request is one request, as an interface has read it.
type Request struct {
	// Credential is what the client brought.
	Credential Credential
	// Needs are the requirements of the endpoint.
	Needs Needs
	// Method, Host and Path are those of the client's request, for the log alone. The path may have a query.
	Method, Host, Path string
}

// Answer is the answer to a gateway. The zero value denies.
type Answer struct {
	access.Decision

	// Grant is the grant of the key; nil: none was found.
	Grant *access.Grant
	// Header is the header in which the endpoint wants the key, and which the API must not get; AnyHeader: it must get none of them.
	Header CredentialHeader
	// Identity are the identity headers that the API gets.
	Identity IdentitySet
}

// Verify decides a request, counts it against the key's limit and reports it.
func (v *Verifier) Verify(ctx context.Context, request *Request) Answer {
	started := v.clock.Now()
	answer := v.decide(ctx, request, started)
	took := v.clock.Since(started)
	v.metrics.observe(answer.Reason, request.Needs.validEnvironment(), took)
	v.log.write(ctx, request, &answer, started, took)

	return answer
}

func (v *Verifier) decide(ctx context.Context, request *Request, now time.Time) Answer {
	needs := &request.Needs
	answer := Answer{Header: needs.header(v.credentials), Identity: cmp.Or(needs.identity, FullIdentity)}
	credential := request.Credential.of(answer.Header)
	if credential.state == access.Presented {
		answer.Grant = v.index.Find(credential.digest)
	}
	asked := access.Request{
		Credential:  credential.state,
		Environment: needs.validEnvironment(),
		Permission:  needs.permission,
		Customer:    needs.customer,
		Stale:       v.refusesStale(now),
	}
	answer.Decision = access.Decide(&asked, answer.Grant, now)
	if answer.Allowed() && !answer.Grant.Subject.Limit.IsZero() {
		subject := answer.Grant.Subject
		answer.Decision = answer.Limited(v.limiter.Take(ctx, subject.UID, subject.Limit))
	}
	if answer.Allowed() {
		v.uses.Used(answer.Grant.Subject, now)
	}

	return answer
}

// refusesStale reports whether the index is too old to decide by it. Requests that are decided all the same are counted.
func (v *Verifier) refusesStale(now time.Time) bool {
	if v.maxStaleness == 0 || v.index.Staleness(now) <= v.maxStaleness {
		return false
	}
	if v.passStale {
		v.metrics.stale.Inc()
	}

	return !v.passStale
}
