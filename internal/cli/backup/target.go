// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
)

// writeTime bounds the writes of one APIKey, which an interrupt does not cut short.
const writeTime = 2 * time.Minute

// Target is the cluster to restore keys into.
type Target struct {
	// User acts for the user, and creates APIKeys: the guardrails ask what the user may grant.
	User client.Client
	// Operator acts for the operator, and writes Secrets and status.
	Operator client.WithWatch
	// Clock tells the time.
	Clock clock.WithTicker
	// DryRun stores nothing, and has the API server check what it can.
	DryRun bool
}

// Outcome is what happened to an object of a backup.
type Outcome struct {
	// Name is namespace and name; Namespace is empty for a role or a policy.
	Name types.NamespacedName
	// Kind is "apikey", "apikeyrole" or "apikeypolicy".
	Kind string
	// Done says what was done, such as "restored".
	Done string
	// Notes are what the user has to know of it.
	Notes []string
	// Err is why it was not restored.
	Err error
}

// The values of Outcome.Done.
const (
	Restored  = "restored"
	Unchanged = "already there"
	Created   = "created"
)

// Restore restores the APIKeys of a backup, those of one namespace if it is not empty, and reports each. It goes on after an APIKey that
// cannot be restored. It returns an error if the connection, and not one APIKey, is the reason.
func (t Target) Restore(ctx context.Context, archive *Archive, namespace string, report func(Outcome)) error {
	claims, err := t.claims(ctx, archive, namespace)
	if err != nil {
		return err
	}
	var batch []*Entry
	for entry := range archive.Entries() {
		if namespace != "" && entry.APIKey.Namespace != namespace {
			continue
		}
		if batch = append(batch, entry); len(batch) == parallel {
			if err := t.restoreBatch(ctx, batch, claims, report); err != nil {
				return err
			}
			batch = nil
		}
	}

	return t.restoreBatch(ctx, batch, claims, report)
}

// restoreBatch restores several APIKeys at once. An interrupt lets the begun ones be finished.
func (t Target) restoreBatch(ctx context.Context, batch []*Entry, claims claims, report func(Outcome)) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	outcomes := make([]Outcome, len(batch))
	var group errgroup.Group
	for i, entry := range batch {
		group.Go(func() error {
			outcomes[i] = t.entry(writing, entry, claims)

			return nil
		})
	}
	_ = group.Wait() // each outcome has its error
	for _, outcome := range outcomes {
		if outcome.Err != nil && !concernsOne(outcome.Err) {
			return outcome.Err
		}
		report(outcome)
	}

	return nil
}

// refusedError tells why an APIKey is not restored.
type refusedError struct{ text string }

// Error implements error.
func (e refusedError) Error() string { return e.text }

func refusef(format string, args ...any) error { return refusedError{fmt.Sprintf(format, args...)} }

// concernsOne reports whether an error concerns one object, so that others can be restored: a finding of this program, or an answer of the
// API server about the object.
func concernsOne(err error) bool {
	var status apierrors.APIStatus
	if errors.As(err, new(refusedError)) {
		return true
	}
	if !errors.As(err, &status) {
		return false
	}
	code := status.Status().Code

	return code >= http.StatusBadRequest && code < http.StatusInternalServerError && code != http.StatusUnauthorized && code != http.StatusTooManyRequests
}

// Inspect reports what Restore would do, as far as the backup alone tells it.
func Inspect(archive *Archive, namespace string, now time.Time, report func(Outcome)) {
	for e := range archive.Entries() {
		if namespace != "" && e.APIKey.Namespace != namespace {
			continue
		}
		outcome := Outcome{Kind: "apikey", Name: e.Name(), Done: Restored, Notes: e.notes()}
		if err := e.Check(now); err != nil {
			outcome.Err = refusef("the backup cannot be trusted with it: %s", err)
		}
		report(outcome)
	}
}

// RestoreRoles restores the APIKeyRoles of a backup.
func (t Target) RestoreRoles(ctx context.Context, archive *Archive, report func(Outcome)) error {
	for i := range archive.Roles {
		r := &archive.Roles[i]
		role := &v1alpha1.APIKeyRole{ObjectMeta: metav1.ObjectMeta{Name: r.Name, Labels: r.Labels, Annotations: r.Annotations}, Spec: r.Spec}
		existing := &v1alpha1.APIKeyRole{}
		same := func() bool { return equality.Semantic.DeepEqual(existing.Spec, r.Spec) }
		if err := t.clusterScoped(ctx, "apikeyrole", role, existing, same, report); err != nil {
			return err
		}
	}

	return nil
}

// RestorePolicies restores the APIKeyPolicies of a backup.
func (t Target) RestorePolicies(ctx context.Context, archive *Archive, report func(Outcome)) error {
	for i := range archive.Policies {
		p := &archive.Policies[i]
		policy := &v1alpha1.APIKeyPolicy{ObjectMeta: metav1.ObjectMeta{Name: p.Name, Labels: p.Labels, Annotations: p.Annotations}, Spec: p.Spec}
		existing := &v1alpha1.APIKeyPolicy{}
		same := func() bool { return equality.Semantic.DeepEqual(existing.Spec, p.Spec) }
		if err := t.clusterScoped(ctx, "apikeypolicy", policy, existing, same, report); err != nil {
			return err
		}
	}

	return nil
}

// clusterScoped creates a role or a policy, or compares it with the existing one.
func (t Target) clusterScoped(ctx context.Context, kind string, object, existing client.Object, same func() bool, report func(Outcome)) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	outcome := Outcome{Kind: kind, Name: types.NamespacedName{Name: object.GetName()}, Done: Restored}
	err := t.User.Create(ctx, object, t.createOptions()...)
	if apierrors.IsAlreadyExists(err) {
		outcome.Done = Unchanged
		if err = t.User.Get(ctx, client.ObjectKeyFromObject(object), existing); err == nil && !same() {
			err = refusef("another one of this name exists, with another spec: delete or change one of them")
		}
	}
	if outcome.Err = operations.WithMissingRule(err); err != nil && !concernsOne(err) {
		return err
	}
	report(outcome)

	return nil
}

func (t Target) createOptions() []client.CreateOption {
	options := []client.CreateOption{client.FieldOwner(operations.FieldManager)}
	if t.DryRun {
		options = append(options, client.DryRunAll)
	}

	return options
}
