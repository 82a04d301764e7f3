// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// checkDelay is how long after another writer's change of status.keys or status.secretRef the Secret is read. By then the mint of
// another operator is finished.
const checkDelay = 2 * time.Second

// checksPerSecond is how many Secrets the operator reads per second after a start, in the background, to check each status once.
const checksPerSecond = 100

// Ledger knows which status.keys and status.secretRef this operator has written, or has checked against the Secret. Any other status was
// written by another writer, or before this operator started. It has to be checked, because the records of a status make keys valid.
// A nil *Ledger vouches for every status.
type Ledger struct {
	seed    maphash.Seed
	checks  *rate.Limiter
	mu      sync.Mutex
	of      map[types.NamespacedName]entry
	started bool
	// accounts are the Accounts of APIKeys that deliver once: of the status that was vouched for, and of the one being written.
	accounts map[types.NamespacedName][2]string
	// drawn are the digests of the keys that this operator has drawn, until they are promoted or dropped.
	drawn map[types.NamespacedName][]string
}

// entry is the state of an APIKey in the Ledger.
type entry struct {
	// vouched is the fingerprint of the status that was checked or written last, intended that of the status being written: a write whose
	// answer is lost may have been carried out.
	vouched, intended uint64
	// due is when to check a status that is not vouched for; zero: no check is planned.
	due time.Time
}

// NewLedger returns an empty Ledger.
func NewLedger() *Ledger {
	return &Ledger{
		seed: maphash.MakeSeed(), checks: rate.NewLimiter(checksPerSecond, 1), of: map[types.NamespacedName]entry{},
		accounts: map[types.NamespacedName][2]string{}, drawn: map[types.NamespacedName][]string{},
	}
}

// fingerprint identifies what of a status makes keys valid: its keys, claimedAt, secretRef, and whether its phase is final. The seed is random
// for each process, so an attacker cannot construct two statuses with the same fingerprint.
func (l *Ledger) fingerprint(apikey *v1alpha1.APIKey) uint64 {
	var h maphash.Hash
	h.SetSeed(l.seed)
	_, _ = fmt.Fprintf(&h, "%s\n", apikey.UID)
	for i := range apikey.Status.Keys {
		r := &apikey.Status.Keys[i]
		_, _ = fmt.Fprintf(&h, "%q %q %q %d %d\n", r.ID, r.Digest, r.State, unix(r.NotAfter), unix(r.ClaimDeadline))
	}
	_, _ = fmt.Fprintf(&h, "%d %t\n", unix(apikey.Status.ClaimedAt), apikey.Status.Phase.IsFinal())
	if ref := apikey.Status.SecretRef; ref != nil {
		_, _ = fmt.Fprintf(&h, "%q %q %q\n", ref.Name, ref.UID, ref.ResourceVersion)
	}

	return h.Sum64()
}

// unix returns a time in seconds since 1970, or 0 if there is none.
func unix(t *metav1.Time) int64 {
	if t == nil {
		return 0
	}

	return t.Unix()
}

// makesNoKeyValid reports whether a status has neither records nor a Secret.
func makesNoKeyValid(apikey *v1alpha1.APIKey) bool {
	return len(apikey.Status.Keys) == 0 && apikey.Status.SecretRef == nil
}

// vouchesFor reports whether a status is as this operator has written or checked it.
func (l *Ledger) vouchesFor(apikey *v1alpha1.APIKey) bool {
	if l == nil || makesNoKeyValid(apikey) {
		return true
	}
	mark := l.fingerprint(apikey)
	l.mu.Lock()
	defer l.mu.Unlock()
	e, found := l.of[client.ObjectKeyFromObject(apikey)]

	return found && slices.Contains([]uint64{e.vouched, e.intended}, mark)
}

// intend records a status before it is written.
func (l *Ledger) intend(apikey *v1alpha1.APIKey) {
	l.note(apikey, func(e *entry, mark uint64) { e.intended = mark })
	l.remember(apikey, false)
}

// vouch records a status that was written or checked.
func (l *Ledger) vouch(apikey *v1alpha1.APIKey) {
	l.note(apikey, func(e *entry, mark uint64) { *e = entry{vouched: mark, intended: mark} })
	l.remember(apikey, true)
	l.forgetDrawn(apikey)
}

// remember keeps the Account of a status that is being written or, if vouched is true, was written or checked. A claimed key has no Secret
// that holds it.
func (l *Ledger) remember(apikey *v1alpha1.APIKey, vouched bool) {
	if l == nil || !apikey.DeliversOnce() {
		return
	}
	name, account := client.ObjectKeyFromObject(apikey), lifecycle.FormatAccount(apikey.Status.Keys)
	l.mu.Lock()
	defer l.mu.Unlock()
	both := l.accounts[name]
	if both[1] = account; vouched {
		both[0] = account
	}
	l.accounts[name] = both
}

// account returns the Account that the Ledger remembers of an APIKey. It has the keys of a status whose write got no answer, too.
// Such a write may not have been carried out, so it ends no key earlier.
func (l *Ledger) account(apikey *v1alpha1.APIKey) lifecycle.Account {
	if l == nil {
		return lifecycle.Account{}
	}
	l.mu.Lock()
	both := l.accounts[client.ObjectKeyFromObject(apikey)]
	l.mu.Unlock()
	account := lifecycle.ParseAccount(both[0])
	if !account.Known {
		return account
	}
	for digest, end := range lifecycle.ParseAccount(both[1]).Ends {
		if vouched, found := account.Ends[digest]; !found || vouched != nil && (end == nil || vouched.Before(end)) {
			account.Ends[digest] = end
		}
	}

	return account
}

func (l *Ledger) note(apikey *v1alpha1.APIKey, change func(*entry, uint64)) {
	if l == nil {
		return
	}
	name, mark := client.ObjectKeyFromObject(apikey), l.fingerprint(apikey)
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.of[name]
	change(&e, mark)
	l.of[name] = e
}

// suspect plans a check of a changed status that is not vouched for, and reports whether it did. It plans none before the first attempt of
// this operator: a standby replica sees the writes of the active one, and checks all of them once it takes over.
func (l *Ledger) suspect(apikey *v1alpha1.APIKey, now time.Time) bool {
	if l == nil || l.vouchesFor(apikey) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	name := client.ObjectKeyFromObject(apikey)
	e := l.of[name]
	if !l.started || !e.due.IsZero() && e.due.Before(now.Add(checkDelay)) {
		return l.started
	}
	e.due = now.Add(checkDelay)
	l.of[name] = e

	return true
}

// checkAt returns when to check a status that is not vouched for: at once if the Ledger has vouched for an earlier status of the APIKey,
// else at the next free place within checksPerSecond.
func (l *Ledger) checkAt(apikey *v1alpha1.APIKey, now time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := client.ObjectKeyFromObject(apikey)
	e := l.of[name]
	switch {
	case !e.due.IsZero() && !e.due.After(l.latest(now)):
	case e.vouched != 0:
		e.due = now
	default:
		e.due = now.Add(l.checks.ReserveN(now, 1).DelayFrom(now))
	}
	l.of[name] = e

	return e.due
}

// latest returns the latest time at which a check can be due. A check that is due later was planned before the clock stepped back.
func (l *Ledger) latest(now time.Time) time.Time {
	planned := max(-l.checks.TokensAt(now), 0) / checksPerSecond

	return now.Add(checkDelay + time.Duration(planned*float64(time.Second)))
}

// knows reports whether the Ledger has vouched for an earlier status of the APIKey.
func (l *Ledger) knows(name types.NamespacedName) bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.of[name].vouched != 0
}

// start notes that this operator has begun to reconcile.
func (l *Ledger) start() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.started = true
}

// forget drops the entry of a deleted APIKey.
func (l *Ledger) forget(name types.NamespacedName) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.of, name)
	delete(l.accounts, name)
	delete(l.drawn, name)
}
