// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// An Account lists the keys that are valid after a write of the Secret. An annotation of the Secret holds it. A record of status.keys
// that is neither in the Account nor of a key in the Secret was written by another client, or restored.
//
// The status alone is not enough: a client that writes a digest into it makes a key of its own choosing valid. Only the operator
// writes the Secret, and each of its writes has the previous one as precondition.
type Account struct {
	// Known reports that the Secret has an Account. A Secret from an older operator has none.
	Known bool
	// Ends maps the digest of each valid key to the time from which verifiers refuse it; nil for the active key.
	Ends map[string]*metav1.Time
	// Deadlines maps the digest of an active key that is delivered once to the time before which it must be claimed.
	Deadlines map[string]*metav1.Time
}

// with returns the Account of the keys of both. Where both have a key, other says when it ends.
func (a Account) with(other Account) Account {
	both := Account{Known: a.Known || other.Known, Ends: map[string]*metav1.Time{}, Deadlines: map[string]*metav1.Time{}}
	for _, account := range []Account{a, other} {
		maps.Copy(both.Ends, account.Ends)
		maps.Copy(both.Deadlines, account.Deadlines)
	}

	return both
}

// accountSeparator separates the entries of an Account, accountEnd a digest from its end in seconds, and accountDeadline a digest from its
// claim deadline in seconds. None is in the alphabet of digests.
const (
	accountSeparator = ","
	accountEnd       = "@"
	accountDeadline  = "!"
)

// maxAccountLength exceeds the length of an Account with MaxKeys entries.
const maxAccountLength = 80 * v1alpha1.MaxKeys

// ParseAccount parses an Account. It skips malformed entries.
func ParseAccount(text string) Account {
	account := Account{Known: text != "", Ends: map[string]*metav1.Time{}, Deadlines: map[string]*metav1.Time{}}
	if len(text) > maxAccountLength {
		return account
	}
	for entry := range strings.SplitSeq(text, accountSeparator) {
		if digest, end, found := strings.Cut(entry, accountEnd); found {
			if at := parseSeconds(end); at != nil {
				account.Ends[digest] = at
			}
		} else if digest, deadline, found := strings.Cut(entry, accountDeadline); found {
			if at := parseSeconds(deadline); at != nil {
				account.Ends[digest], account.Deadlines[digest] = nil, at
			}
		} else {
			account.Ends[entry] = nil
		}
	}

	return account
}

// parseSeconds returns a time in seconds since 1970, or nil if the text is malformed.
func parseSeconds(text string) *metav1.Time {
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil
	}

	return v1alpha1.StorableTime(time.Unix(seconds, 0))
}

// FormatAccount returns the Account of the records that are valid after a write of the Secret. It has no Pending records: that of the
// key in this write is Active in records.
func FormatAccount(records []v1alpha1.KeyRecord) string {
	var entries []string
	for _, r := range records {
		switch {
		case r.State == v1alpha1.KeyActive && r.ClaimDeadline != nil:
			entries = append(entries, r.Digest+accountDeadline+strconv.FormatInt(r.ClaimDeadline.Unix(), 10))
		case r.State == v1alpha1.KeyActive:
			entries = append(entries, r.Digest)
		case r.State == v1alpha1.KeyRetiring && r.NotAfter != nil:
			entries = append(entries, r.Digest+accountEnd+strconv.FormatInt(r.NotAfter.Unix(), 10))
		}
	}
	if len(entries) == 0 {
		return accountNone
	}

	return strings.Join(entries, accountSeparator)
}

// accountNone is the Account of a Secret without a valid key, such as a fence. No digest equals it.
const accountNone = "none"

// readable reports whether the Secret can account for records: it was read, and the operator wrote it. A Secret without our owner
// reference is still the same Secret.
func (s Secret) readable(apikey *v1alpha1.APIKey) bool {
	ref := apikey.Status.SecretRef

	return s.State == SecretOwned || s.State == SecretForeign && s.OurType && ref != nil && ref.UID == s.Ref.UID
}

// witness returns the Secret that accounts for the records, and false if nothing does.
//
// A claimed key is in no Secret. A status that this operator has written or checked vouches for its own records. Another status is compared
// with the last one that it has written or checked, and with the claimed copy in the version that the status names: another operator can
// have delivered the key, so nothing is dropped until that copy is read. An operator that has just started knows no status: it compares
// with the Secret if there is one by now, else it has to believe the status. A Secret with an announced key is that of the next delivery,
// and accounts as usual.
func witness(o Observed) (Secret, bool) {
	ref := o.APIKey.Status.SecretRef
	switch {
	case o.APIKey.Status.ClaimedAt == nil || !o.APIKey.DeliversOnce() || holds(o, v1alpha1.KeyPending):
		return o.Secret, o.Secret.readable(o.APIKey)
	case !o.Unvouched, o.Secret.State == SecretUnread && ref != nil:
		return Secret{}, false
	case !o.Remembered.Known:
		return o.Secret, o.Secret.readable(o.APIKey)
	case o.Secret.State == SecretOwned && o.Secret.Account.Known && ref != nil && *ref == o.Secret.Ref:
		secret := o.Secret
		secret.Account = o.Remembered.with(secret.Account)

		return secret, true
	default:
		return Secret{Account: o.Remembered}, true
	}
}

// accounted returns the records that the Secret accounts for, or all if it was not read. Pending records stay, because a write of their
// keys can be in flight. A record ends, or has to be claimed, when the Account says, if that is earlier.
func accounted(o Observed) []v1alpha1.KeyRecord {
	secret, there := witness(o)
	if !there {
		return o.APIKey.Status.Keys
	}
	var kept []v1alpha1.KeyRecord
	for _, r := range o.APIKey.Status.Keys {
		r, ok := accountFor(secret, r)
		if !ok {
			continue
		}
		if r.State == v1alpha1.KeyPending || r.State == v1alpha1.KeyActive && o.APIKey.Status.ClaimedAt == nil {
			r.ClaimDeadline = policy.Earlier(r.ClaimDeadline, secret.Account.Deadlines[r.Digest])
		}
		kept = append(kept, r)
	}

	return kept
}

// accountFor returns a record with the end that the Account has for it, and whether the Secret accounts for it.
func accountFor(s Secret, r v1alpha1.KeyRecord) (v1alpha1.KeyRecord, bool) {
	end, listed := s.Account.Ends[r.Digest]
	switch {
	case !strings.HasPrefix(r.Digest, r.ID): // so that no two records belong to one key
		return r, false
	case r.State == v1alpha1.KeyPending:
		return r, true
	case listed && end != nil:
		return retire(r, end), true
	case s.Account.Known:
		return r, listed && r.State == v1alpha1.KeyActive
	case r.State == v1alpha1.KeyActive:
		return r, r.Digest == s.Digest || r.Digest == s.PreviousDigest
	default:
		return r, r.Digest == s.PreviousDigest
	}
}

// valid returns the records that the Secret accounts for and that have not ended.
func valid(o Observed, now time.Time) []v1alpha1.KeyRecord {
	records := unlapsed(accounted(o), now)
	keepInRange(records)

	return records
}

// Unaccounted returns the IDs of the records that the Secret does not account for. The operator that wrote the Secret wrote none of them.
func Unaccounted(o Observed) []string {
	kept := accounted(o)
	var ids []string
	for _, r := range o.APIKey.Status.Keys {
		if !slices.ContainsFunc(kept, func(k v1alpha1.KeyRecord) bool { return k.Digest == r.Digest }) {
			ids = append(ids, r.ID)
		}
	}

	return ids
}
