// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// An Account says which keys are valid after a write of the Secret, as an annotation of the Secret records it. A record of
// status.keys that is neither in the Account nor that of a key in the Secret was written by somebody else, or restored.
//
// The status alone cannot tell: whoever writes a digest into it makes a key of their own choosing valid. A Secret is written
// by the operator alone, and each of its writes has the one before as its precondition.
type Account struct {
	// Known says that there is an Account. A Secret from before there were any has none.
	Known bool
	// Ends are the digests of the valid keys, each with the time from which it is refused; nil: it is the active one.
	Ends map[string]*metav1.Time
}

// accountSeparator stands between the entries of an Account, and accountEnd between a digest and its end in seconds.
// Neither is in the alphabet of digests.
const (
	accountSeparator = ","
	accountEnd       = "@"
)

// maxAccountLength is more than an Account has whose records are as many as a status holds.
const maxAccountLength = 80 * v1alpha1.MaxKeys

// ParseAccount reads an Account. What cannot be read accounts for nothing.
func ParseAccount(text string) Account {
	account := Account{Known: text != "", Ends: map[string]*metav1.Time{}}
	if len(text) > maxAccountLength {
		return account
	}
	for entry := range strings.SplitSeq(text, accountSeparator) {
		digest, end, retiring := strings.Cut(entry, accountEnd)
		if !retiring {
			account.Ends[digest] = nil

			continue
		}
		if seconds, err := strconv.ParseInt(end, 10, 64); err == nil {
			account.Ends[digest] = v1alpha1.StorableTime(time.Unix(seconds, 0))
		}
	}

	return account
}

// FormatAccount writes the Account of the records that are valid after a write of the Secret. Announced keys are not among
// them: the one that this write hands out is Active by then.
func FormatAccount(records []v1alpha1.KeyRecord) string {
	var entries []string
	for _, r := range records {
		switch {
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

// accountNone is the Account of a Secret without a valid key, such as a fence. It is no digest.
const accountNone = "none"

// readable says whether what is known of the Secret can account for records: it was read, and it is the one that the operator
// writes. Taking our owner reference off does not make it another's.
func (s Secret) readable(key *v1alpha1.APIKey) bool {
	ref := key.Status.SecretRef

	return s.State == SecretOwned || s.State == SecretForeign && s.OurType && ref != nil && ref.UID == s.Ref.UID
}

// accounted are the records that the Secret accounts for, or all while it was not read. Announced ones are among them: their
// keys may be under way. One that the Secret says ends earlier does.
func accounted(o Observed) []v1alpha1.KeyRecord {
	if !o.Secret.readable(o.APIKey) {
		return o.APIKey.Status.Keys
	}
	var kept []v1alpha1.KeyRecord
	for _, r := range o.APIKey.Status.Keys {
		if r, ok := accountFor(o.Secret, r); ok {
			kept = append(kept, r)
		}
	}

	return kept
}

// accountFor says whether a Secret accounts for a record, and returns it with the end that the Secret knows of.
func accountFor(s Secret, r v1alpha1.KeyRecord) (v1alpha1.KeyRecord, bool) {
	end, listed := s.Account.Ends[r.Digest]
	switch {
	case !strings.HasPrefix(r.Digest, r.ID): // with this, no two records are of one key
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

// valid are the records that a status may hold on: those that the Secret accounts for and whose time has not come.
func valid(o Observed, now time.Time) []v1alpha1.KeyRecord {
	records := unlapsed(accounted(o), now)
	keepInRange(records)

	return records
}

// Unaccounted are the ids of the records that the Secret does not account for. They were not written by an operator that
// wrote the Secret.
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
