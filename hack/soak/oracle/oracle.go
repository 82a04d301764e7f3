// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/hack/soak/schedule"
)

// Rule names what always holds.
type Rule string

// The rules.
const (
	LiveRefused     Rule = "a live key is accepted"
	DeadAccepted    Rule = "a dead key is refused"
	PlantedAccepted Rule = "a key that the operator has not drawn is refused"
	SeveralActive   Rule = "an APIKey has at most one Active record"
	RotatedTwice    Rule = "a request rotates once"
	ReplacedUnasked Rule = "a key is replaced on request"
	Prolonged       Rule = "an overlap is as long as was asked for"
	NotRotated      Rule = "a request for a rotation replaces the key"
	Revived         Rule = "a dead key stays dead"
	Overdue         Rule = "a request is carried out in time"
	EndedUnasked    Rule = "an APIKey ends on request"
	Lost            Rule = "every APIKey is as declared in the end"
	Orphaned        Rule = "the Secret of an ended or deleted APIKey is deleted"
	WrongAnswer     Rule = "a verifier answers 200, 401 or 503"
	Printed         Rule = "logs hold no key"
	Crashed         Rule = "no process crashes"
)

// maxViolations bounds the memory of a soak that finds the same fault again and again.
const maxViolations = 1000

// Violation is a broken rule.
type Violation struct {
	At     time.Time
	Rule   Rule
	Detail string
}

// Oracle knows every key, and what was asked for. It is safe for concurrent use.
type Oracle struct {
	mu         sync.Mutex
	health     *health
	subjects   map[types.UID]*subject
	keys       map[string]*key // by digest
	reported   map[string]bool
	violations []Violation
	counts     Counts
	delays     []time.Duration
	completed  []time.Time
}

// Counts are what the oracle was told.
type Counts struct {
	// Live, Dead and Open are answers about keys that had to be accepted, that had to be refused, and of which either was right.
	Live, Dead, Open int
	// Unavailable are answers that decide nothing: 503.
	Unavailable int
}

// New returns an oracle that knows nothing.
func New() *Oracle {
	return &Oracle{health: newHealth(), subjects: map[types.UID]*subject{}, keys: map[string]*key{}, reported: map[string]bool{}}
}

// ControlPlane notes that API server or etcd fail, or answer again.
func (o *Oracle) ControlPlane(now time.Time, target schedule.Target, down bool) {
	o.do(func() { o.health.controlPlane(now, target, down) })
}

// Connection notes that the connection of a process fails, or passes again.
func (o *Oracle) Connection(now time.Time, target schedule.Target, cut bool) {
	o.do(func() { o.health.connection(now, target, cut) })
}

// Ready notes that a process is ready, or has ended.
func (o *Oracle) Ready(now time.Time, target schedule.Target, ready bool) {
	o.do(func() { o.health.ready(now, target, ready) })
}

// Stopped notes that a process stands still, or goes on.
func (o *Oracle) Stopped(now time.Time, target schedule.Target, stopped bool) {
	o.do(func() { o.health.stopped(now, target, stopped) })
}

// Starved notes that the machine did not run the soak for a while.
func (o *Oracle) Starved(now time.Time) { o.do(func() { o.health.starved(now) }) }

// Violations returns the broken rules so far.
func (o *Oracle) Violations() []Violation {
	o.mu.Lock()
	defer o.mu.Unlock()

	return append([]Violation(nil), o.violations...)
}

// Counts returns how many answers there were.
func (o *Oracle) Counts() Counts {
	o.mu.Lock()
	defer o.mu.Unlock()

	return o.counts
}

// Delays returns how long each request took that was carried out, from its acknowledgement.
func (o *Oracle) Delays() []time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()

	return append([]time.Duration(nil), o.delays...)
}

// CompletedAfter returns when the first request was carried out after a moment.
func (o *Oracle) CompletedAfter(at time.Time) (time.Time, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := len(o.completed) - 1; i >= 0 && o.completed[i].After(at); i-- {
		if i == 0 || !o.completed[i-1].After(at) {
			return o.completed[i], true
		}
	}

	return time.Time{}, false
}

// Report notes a violation that was found elsewhere.
func (o *Oracle) Report(now time.Time, rule Rule, format string, args ...any) {
	o.do(func() { o.broken(now, rule, format, args...) })
}

func (o *Oracle) do(what func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	what()
}

// broken notes a violation, each only once.
func (o *Oracle) broken(now time.Time, rule Rule, format string, args ...any) {
	detail := fmt.Sprintf(format, args...)
	if id := string(rule) + detail; !o.reported[id] && len(o.violations) < maxViolations {
		o.reported[id] = true
		o.violations = append(o.violations, Violation{At: now, Rule: rule, Detail: detail})
	}
}

// subject is one APIKey, which ends with its uid.
type subject struct {
	uid    types.UID
	name   string
	apikey *v1alpha1.APIKey // as last seen; nil: not yet
	gone   bool
	secret *Secret // as last seen; nil: there is none
	// secretsGone are the uids of Secrets that were there.
	secretsGone map[types.UID]bool
	// lost are the digests of the keys in Secrets that were deleted.
	lost  map[string]bool
	keys  []*key
	open  []*Request
	facts []*fact
	// active is the digest of the key that was active when the APIKey was last settled.
	active string
	// meddled says that a status was restored, and that the APIKey is not settled since.
	meddled bool
	// created says that the API server has created the APIKey, revoking that a user has asked for its revocation, and deleting that one has
	// asked for its deletion.
	created, revoking, deleting bool
	// expires is the earliest end that was asked for; zero: none was.
	expires time.Time
	// rotations are the keys that each value of the rotate annotation has brought.
	rotations map[string]map[string]bool
}

// key is a key that was in a Secret.
type key struct {
	digest  string
	id      string
	subject *subject
	planted bool
	// live is since when the key has to be accepted; zero: it need not be. until is the end of that; zero: none.
	live, until time.Time
	known       map[schedule.Target]time.Time // when a verifier has to know live
	dead        *fact                         // from the status
}

func (k *key) String() string { return k.subject.name + "/" + k.id }

// fact is a reason to refuse keys.
type fact struct {
	reason string
	// known is since when the API server has it, and from is when it applies.
	known, from time.Time
	mature      map[schedule.Target]time.Time
}

func newFact(reason string, known, from time.Time) *fact {
	return &fact{reason: reason, known: known, from: from, mature: map[schedule.Target]time.Time{}}
}

// mature returns whether a verifier has to know what was true since a moment. It remembers when that was.
func (o *Oracle) mature(known map[schedule.Target]time.Time, since time.Time, verifier schedule.Target, at time.Time) bool {
	if when, ok := known[verifier]; ok {
		return !when.After(at)
	}
	when, ok := o.health.verifiers[verifier].after(since, verifierBudget, at)
	if ok {
		known[verifier] = when
	}

	return ok
}

// inForce reports whether a verifier has to refuse at a time because of a fact.
func (o *Oracle) inForce(f *fact, verifier schedule.Target, at time.Time) bool {
	return f != nil && !at.Before(f.from) && o.mature(f.mature, f.known, verifier, at)
}
