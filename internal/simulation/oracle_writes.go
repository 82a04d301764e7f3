// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/simulation/apimodel"
)

// statusWritten checks a status that an operator has written.
func (o *oracle) statusWritten(before, after *v1alpha1.APIKey) {
	was, is := &before.Status, &after.Status
	o.believe(before, after)
	delete(o.writers, after.UID) // until the answer arrives
	o.unanswered[after.UID] = after.ResourceVersion
	if final(before) && is.Phase != was.Phase {
		o.broken("Expired and Revoked are final", "the operator made %s %s after %s", after.Name, is.Phase, was.Phase)
	}
	for i := range is.Keys {
		o.recordWritten(before, after, &is.Keys[i])
	}
	if n := count(is.Keys, v1alpha1.KeyActive); n > 1 && !o.meddledWith[after.UID] {
		o.broken("at most one record is Active", "%s has %d", after.Name, n)
	}
	o.claimWritten(before, after)
	promoted := active(is.Keys)
	if promoted != "" && promoted != active(was.Keys) {
		o.promoted(before, after, promoted)
	}
	if old := active(was.Keys); promoted == "" && old != "" && !final(after) {
		o.lost(after, old)
	}
	for _, c := range is.Conditions {
		o.noPlaintext("a condition of "+after.Name, c.Message)
	}
}

// recordWritten checks a record that an operator has written.
func (o *oracle) recordWritten(before, after *v1alpha1.APIKey, r *v1alpha1.KeyRecord) {
	was := recordOf(before.Status.Keys, r.Digest)
	switch {
	case was == nil && (r.State != v1alpha1.KeyPending || !slices.Contains(o.world.acting.drawn, r.Digest)):
		o.broken("a record is of a key that the operator drew", "the operator added %s as %s", r.ID, r.State)
	case was == nil:
		o.announced(after, r)
		o.causeOf(before, r)
	case was.State == v1alpha1.KeyRetiring && r.State != v1alpha1.KeyRetiring:
		o.broken("a replaced key does not come back", "%s was Retiring and is %s", r.ID, r.State)
	case was.State == v1alpha1.KeyActive && r.State == v1alpha1.KeyPending:
		o.broken("a replaced key does not come back", "%s was Active and is Pending", r.ID)
	case was.NotAfter != nil && (r.NotAfter == nil || was.NotAfter.Before(r.NotAfter)):
		o.broken("notAfter is never raised", "%s ended at %s and ends at %s", r.ID, was.NotAfter, r.NotAfter)
	}
}

// announced checks the cause that the record of a new key has.
func (o *oracle) announced(apikey *v1alpha1.APIKey, r *v1alpha1.KeyRecord) {
	o.deadlineSet(apikey, r)
	value := apikey.Annotations[v1alpha1.RotateAnnotation]
	if r.Rotation != nil && r.Rotation.Trigger == v1alpha1.TriggerAnnotation && strings.HasSuffix(value, ",overlap=0s") && r.Rotation.Overlap != "0s" {
		o.broken("the overlap of a request counts", "%s asks for no overlap, and the record has %q", value, r.Rotation.Overlap)
	}
}

// lost checks that a status without an Active record has a reason: the Secret does not hold the key any more.
func (o *oracle) lost(apikey *v1alpha1.APIKey, digest string) {
	secret := o.secretOf(apikey)
	if o.claims[apikey.UID] == digest {
		o.claimedLost(apikey, secret)
	}
	if secret != nil && o.held[secret.ResourceVersion] == digest && !o.touched[secret.Name] && !o.meddledWith[apikey.UID] {
		o.broken("a living key keeps its record", "the operator dropped the record of the key in the Secret of %s", apikey.Name)
	}
}

// noPlaintext checks a text that anybody can read.
func (o *oracle) noPlaintext(where, text string) {
	if keys.Redact(text) != text {
		o.broken("plaintext is in its Secret only", "%s has a key", where)
	}
}

// secretChanged checks a change of a Secret.
func (o *oracle) secretChanged(c apimodel.Change[*corev1.Secret]) {
	if !c.Removed {
		o.held[c.After.ResourceVersion] = keys.DigestOf(string(c.After.Data[v1alpha1.SecretKeyDefault])).String()
	}
	if o.world.acting == nil && !c.Added {
		o.unwitnessed(c.Before)
	}
	switch p := o.world.acting; {
	case p != nil:
		o.secretWritten(c, p)
	case !c.Removed:
		o.touched[c.After.Name] = true
	}
	o.check()
}

// secretWritten checks a change of a Secret by an operator.
func (o *oracle) secretWritten(c apimodel.Change[*corev1.Secret], p *pass) {
	if !c.Added && !ownedBy(c.Before, p.request.Name) {
		o.broken("Secrets of others are not touched", "the operator changed Secret %s for APIKey %s", c.Before.Name, p.request.Name)
	}
	if c.Removed {
		o.secretDeleted(c, p)

		return
	}
	digest := o.held[c.After.ResourceVersion]
	_, hasKey := c.After.Data[v1alpha1.SecretKeyDefault]
	if !c.Added && (digest == o.held[c.Before.ResourceVersion] || !hasKey) || c.Added && !hasKey {
		return
	}
	delete(o.touched, c.After.Name)
	o.handedOut(c.After, digest, p)
}

// handedOut checks that a key that a workload can hold from now on was drawn by the operator and has a record.
func (o *oracle) handedOut(secret *corev1.Secret, digest string, p *pass) {
	if o.byDigest[digest] == nil {
		o.broken("a key is drawn by the operator", "the operator wrote another value into Secret %s", secret.Name)

		return
	}
	owner := metav1.GetControllerOf(secret)
	if owner == nil {
		o.broken("a Secret belongs to its APIKey", "Secret %s has no owner", secret.Name)

		return
	}
	apikey, err := o.world.server.APIKeys.Get(owner.Name)
	if err != nil || apikey.UID != owner.UID || recordOf(apikey.Status.Keys, digest) != nil {
		return
	}
	meddled := o.meddledWith[apikey.UID] || !o.meddledAt[apikey.UID].Before(p.started)
	if meddled || o.reappeared(secret.Name, p.began) {
		o.touched[secret.Name] = true // see doc.go

		return
	}
	o.broken("a key that a workload can hold has a record", "the key in Secret %s has none", secret.Name)
}

// reappeared reports whether a Secret of a name was removed after a number of changes of Secrets.
func (o *oracle) reappeared(name string, since int) bool {
	return slices.ContainsFunc(o.world.server.Secrets.Log()[since:], func(c apimodel.Change[*corev1.Secret]) bool {
		return c.Removed && c.Before.Name == name
	})
}

// ownedBy reports whether an operator may write a Secret for an APIKey of a name.
func ownedBy(secret *corev1.Secret, name string) bool {
	owner := metav1.GetControllerOf(secret)

	return secret.Type == v1alpha1.SecretType && owner != nil && owner.Kind == "APIKey" && owner.Name == name
}

func recordOf(records []v1alpha1.KeyRecord, digest string) *v1alpha1.KeyRecord {
	if i := slices.IndexFunc(records, func(r v1alpha1.KeyRecord) bool { return r.Digest == digest }); i >= 0 {
		return &records[i]
	}

	return nil
}

// active returns the digest of the Active record, or "".
func active(records []v1alpha1.KeyRecord) string {
	for i := range records {
		if records[i].State == v1alpha1.KeyActive {
			return records[i].Digest
		}
	}

	return ""
}

func count(records []v1alpha1.KeyRecord, state v1alpha1.KeyState) int {
	n := 0
	for i := range records {
		if records[i].State == state {
			n++
		}
	}

	return n
}
