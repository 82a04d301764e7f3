// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// watchGrace is how long after a rotation the operator waits for the watch. After that it reads the Secret.
const watchGrace = 5 * time.Second

// observe fills in the observations that need no API call.
func (r *Reconciler) observe(ctx context.Context, a *attempt) error {
	r.observeRules(ctx, a)
	if err := r.observeSecret(ctx, a); err != nil {
		return err
	}
	r.observeWriter(a)
	a.observed.Disputes = r.Digests.disputes(a.observed.APIKey)

	return nil
}

// observeRules fills in the APIKeyPolicies for the namespace, and whether the guardrails are in force. Where one of them cannot be read,
// minting has to wait for it; the end of a key does not.
func (r *Reconciler) observeRules(ctx context.Context, a *attempt) {
	a.observed.Unguarded, a.guardrailsErr = r.Guardrails.Missing(ctx)
	a.observed.Policies, a.policiesErr = policiesFor(ctx, r.Policies, a.observed.APIKey.Namespace)
	a.observed.PoliciesUnknown = a.policiesErr != nil
}

// observeSecret fills in the state of the Secret from the watch.
func (r *Reconciler) observeSecret(ctx context.Context, a *attempt) error {
	apikey := a.observed.APIKey
	meta := &metav1.PartialObjectMetadata{}
	meta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	err := r.Metadata.Get(ctx, client.ObjectKey{Namespace: apikey.Namespace, Name: apikey.SecretName()}, meta)
	if client.IgnoreNotFound(err) != nil {
		return asRefused(err, "", "look up the metadata of Secret %s/%s", apikey.Namespace, apikey.SecretName())
	}
	ours := err == nil && metav1.IsControlledBy(meta, apikey)

	ref := apikey.Status.SecretRef
	switch {
	case ref == nil && !ours:
		a.observed.Secret = lifecycle.Secret{State: lifecycle.SecretUnread}
	case ref != nil && ours && ref.UID == meta.UID && ref.ResourceVersion == meta.ResourceVersion:
		a.observed.Secret = lifecycle.Secret{State: lifecycle.SecretUnread, Ref: *ref}
	case ours && isBeingDeleted(apikey, meta):
		a.observed.Secret = lifecycle.Secret{State: lifecycle.SecretTerminating, Finalizers: meta.Finalizers}
	case r.watchBehind(apikey, a.now):
		a.observed.Secret = lifecycle.Secret{State: lifecycle.SecretBehind}
	default:
		a.observed.Secret = lifecycle.Secret{State: lifecycle.SecretChanged}
	}

	return nil
}

// observeWriter fills in whether another writer has changed status.keys or status.secretRef, and has the Secret read when it is time to
// check that. A key that has ended needs no check, because closing it ends every record.
func (r *Reconciler) observeWriter(a *attempt) {
	apikey := a.observed.APIKey
	a.observed.Unvouched, a.observed.Undrawn = !r.Ledger.vouchesFor(apikey), r.Ledger.undrawn(apikey)
	a.observed.Remembered = r.Ledger.account(apikey)
	if _, over := lifecycle.Ended(a.observed, a.now); over || !a.observed.Unvouched {
		return
	}
	known := a.observed.Secret.State == lifecycle.SecretUnread || a.observed.Secret.State == lifecycle.SecretTerminating
	if known && !a.now.Before(r.Ledger.checkAt(apikey, a.now)) {
		a.observed.Secret = lifecycle.Secret{State: lifecycle.SecretChanged}
	}
}

// isBeingDeleted reports whether the Secret of an APIKey is being deleted and its content does not matter: status names this Secret or
// none, and no announced key can be in it.
func isBeingDeleted(apikey *v1alpha1.APIKey, secret *metav1.PartialObjectMetadata) bool {
	ref := apikey.Status.SecretRef

	return !secret.DeletionTimestamp.IsZero() && (ref == nil || ref.UID == secret.UID) &&
		!slices.ContainsFunc(apikey.Status.Keys, func(r v1alpha1.KeyRecord) bool { return r.State == v1alpha1.KeyPending })
}

// watchBehind reports whether the watch has yet to deliver the Secret that the last rotation wrote. The status write of a rotation usually
// arrives first, and would make the operator read the Secret that it has just written. A status of another writer is not waited for: it
// may name a version that never comes. A rotation that lies ahead is not waited for either: the clock has stepped back.
func (r *Reconciler) watchBehind(apikey *v1alpha1.APIKey, now time.Time) bool {
	return r.Watched != nil && apikey.Status.SecretRef != nil && apikey.Status.LastRotation != nil && r.Ledger.vouchesFor(apikey) &&
		now.Sub(apikey.Status.LastRotation.At.Time).Abs() < watchGrace &&
		!r.Watched.Reached(apikey.Namespace, apikey.Status.SecretRef.ResourceVersion)
}

// read reads the Secret and keeps it for the write that may follow: its uid and resourceVersion are the precondition of that write.
func (r *Reconciler) read(ctx context.Context, a *attempt) error {
	apikey := a.observed.APIKey
	secret := &corev1.Secret{}
	err := r.Secrets.Get(withoutLogs(ctx), client.ObjectKey{Namespace: apikey.Namespace, Name: apikey.SecretName()}, secret)
	switch {
	case apierrors.IsNotFound(err):
		a.observed.Secret = lifecycle.Secret{State: lifecycle.SecretAbsent}
	case err != nil:
		return asRefused(scrubbed(err, keys.Key{}), "", "read Secret %s/%s", apikey.Namespace, apikey.SecretName())
	default:
		a.secret = secret
		a.observed.Secret = secretFacts(apikey, secret)
	}
	a.secretRead = true
	a.foreignRecords = r.foreignRecords(a)

	return nil
}

// foreignRecords returns the ids of records that another writer has written. These are the records that the Secret does not account for.
// Where this operator has vouched for an earlier status, they include announced records, and all records if there is no Secret.
func (r *Reconciler) foreignRecords(a *attempt) []string {
	ids := lifecycle.Unaccounted(a.observed)
	if !a.observed.Unvouched || !r.Ledger.knows(a.request.NamespacedName) {
		return ids
	}
	for i := range a.observed.APIKey.Status.Keys {
		record := &a.observed.APIKey.Status.Keys[i]
		other := record.State == v1alpha1.KeyPending || a.observed.Secret.State == lifecycle.SecretAbsent
		if other && !slices.Contains(ids, record.ID) {
			ids = append(ids, record.ID)
		}
	}

	return ids
}

// secretFacts returns what a decision may know of a Secret: digests, never content.
func secretFacts(apikey *v1alpha1.APIKey, secret *corev1.Secret) lifecycle.Secret {
	f := lifecycle.Secret{State: lifecycle.SecretOwned, Ref: reference(secret), OurType: secret.Type == v1alpha1.SecretType}
	if conflict := conflictWith(apikey, secret); conflict != "" {
		f.State, f.Conflict = lifecycle.SecretForeign, conflict
	} else if !secret.DeletionTimestamp.IsZero() {
		f.State, f.Finalizers = lifecycle.SecretTerminating, secret.Finalizers
	}
	f.Account = lifecycle.ParseAccount(secret.Annotations[v1alpha1.SecretValidKeysAnnotation])
	f.Digest = digestOf(secret.Data, apikey.SecretDataKey())
	f.PreviousDigest = digestOf(secret.Data, apikey.SecretPreviousDataKey())
	f.Fenced = f.Digest == "" && secret.Annotations[v1alpha1.SecretFenceAnnotation] != ""
	f.InShape = inShape(apikey, secret)

	return f
}

// conflictWith returns why this APIKey must not write a Secret, or "" if it may.
func conflictWith(apikey *v1alpha1.APIKey, secret *corev1.Secret) string {
	const wayOut = "delete or rename that Secret, or create an APIKey with another spec.secret.name"
	switch {
	case !metav1.IsControlledBy(secret, apikey):
		return fmt.Sprintf("Secret %q exists and is not controlled by this APIKey: %s.", secret.Name, wayOut)
	case secret.Type != v1alpha1.SecretType:
		return fmt.Sprintf("Secret %q exists and is of type %q, not %q: %s.", secret.Name, secret.Type, v1alpha1.SecretType, wayOut)
	default:
		return ""
	}
}

// digestOf returns the digest of a data entry, or "" if there is no such entry.
func digestOf(data map[string][]byte, name string) string {
	value, ok := data[name]
	if !ok {
		return ""
	}

	return keys.DigestOf(string(value)).String()
}

// reference returns the reference to a version of a Secret.
func reference(secret *corev1.Secret) v1alpha1.SecretReference {
	return v1alpha1.SecretReference{Name: secret.Name, UID: secret.UID, ResourceVersion: secret.ResourceVersion}
}
