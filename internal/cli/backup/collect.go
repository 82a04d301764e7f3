// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
)

const (
	// attempts is how often an APIKey and its Secret are read until they belong together, and retryAfter the wait in between. A rotation
	// changes one some milliseconds after the other.
	attempts   = 10
	retryAfter = 300 * time.Millisecond
	// parallel is how many objects are read or restored at the same time.
	parallel = 8
)

// errLeaving tells that an APIKey is gone, or is being deleted.
var errLeaving = errors.New("it is being deleted")

// Source reads keys from a cluster, with the rights of the user.
type Source struct {
	operations.Service
}

// Collect writes the APIKeys of a namespace, or of all for an empty one, with their Secrets. It calls leftOut for each APIKey that it cannot
// back up, and goes on.
func (s Source) Collect(ctx context.Context, namespace string, w *Writer, leftOut func(types.NamespacedName, error)) error {
	_, err := s.List(ctx, operations.Filter{Namespace: namespace}, func(page []v1alpha1.APIKey) error {
		entries, failures := make([]*Entry, len(page)), make([]error, len(page))
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(parallel)
		for i := range page {
			name := operations.NameOf(&page[i])
			group.Go(func() error {
				entries[i], failures[i] = s.entry(ctx, name)
				if isOfOne(failures[i]) {
					return nil
				}

				return failures[i]
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		for i, entry := range entries {
			switch {
			case errors.Is(failures[i], errLeaving):
			case failures[i] != nil:
				leftOut(operations.NameOf(&page[i]), failures[i])
			default:
				if err := w.Entry(entry); err != nil {
					return err
				}
			}
		}

		return nil
	})

	return err
}

// CollectClusterScoped writes the APIKeyRoles and APIKeyPolicies.
func (s Source) CollectClusterScoped(ctx context.Context, w *Writer) error {
	var roles v1alpha1.APIKeyRoleList
	if err := s.Client.List(ctx, &roles); err != nil {
		return operations.WithMissingRule(err)
	}
	for i := range roles.Items {
		r := &roles.Items[i]
		if err := w.Role(Role{Name: r.Name, Labels: r.Labels, Annotations: r.Annotations, Spec: r.Spec}); err != nil {
			return err
		}
	}
	var policies v1alpha1.APIKeyPolicyList
	if err := s.Client.List(ctx, &policies); err != nil {
		return operations.WithMissingRule(err)
	}
	for i := range policies.Items {
		p := &policies.Items[i]
		if err := w.Policy(Policy{Name: p.Name, Labels: p.Labels, Annotations: p.Annotations, Spec: p.Spec}); err != nil {
			return err
		}
	}

	return nil
}

// mismatchError tells that an APIKey and its Secret do not belong together. A later read may find that they do.
type mismatchError struct{ error }

// isOfOne reports whether an error concerns one APIKey and not the connection or a right.
func isOfOne(err error) bool {
	var unknown *unknownFieldError

	return err == nil || errors.Is(err, errLeaving) || errors.As(err, new(mismatchError)) || errors.As(err, &unknown)
}

// entry reads an APIKey and its Secret until they belong together. An announced key is waited for, because it is about to replace the other.
func (s Source) entry(ctx context.Context, name types.NamespacedName) (*Entry, error) {
	for attempt := 1; ; attempt++ {
		e, err := s.readOnce(ctx, name, attempt == attempts)
		if !errors.As(err, new(mismatchError)) || attempt == attempts {
			return e, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-s.Clock.After(retryAfter):
		}
	}
}

// readOnce reads an APIKey and then its Secret.
func (s Source) readOnce(ctx context.Context, name types.NamespacedName, last bool) (*Entry, error) {
	apikey, err := s.read(ctx, name)
	if err != nil {
		return nil, err
	}
	e := &Entry{APIKey: APIKey{
		Namespace: apikey.Namespace, Name: apikey.Name, CreatedAt: apikey.CreationTimestamp, Generation: apikey.Generation,
		Labels: apikey.Labels, Annotations: apikey.Annotations, Spec: apikey.Spec, Status: apikey.Status,
	}}
	now := s.Clock.Now()
	if e.needsSecret(now) {
		if e.Secret, err = s.secretOf(ctx, apikey); err != nil {
			return nil, err
		}
		if countIn(e.APIKey.Status.Keys, v1alpha1.KeyPending) > 0 && !last {
			return nil, mismatchError{errors.New("a key was announced and is not in use yet")}
		}
		e.tidy(apikey)
	}
	if err := e.Check(now); err != nil {
		return nil, mismatchError{fmt.Errorf("%w; the operator reports %s; wait until it is Ready, and repeat the backup", err, readiness(apikey))}
	}

	return e, nil
}

// read reads an APIKey. Fields that this program does not know would be missing in the backup, so they are an error.
func (s Source) read(ctx context.Context, name types.NamespacedName) (*v1alpha1.APIKey, error) {
	raw := &unstructured.Unstructured{}
	raw.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("APIKey"))
	err := s.Client.Get(ctx, name, raw)
	switch {
	case apierrors.IsNotFound(err):
		return nil, errLeaving
	case err != nil:
		return nil, operations.WithMissingRule(err)
	case raw.GetDeletionTimestamp() != nil:
		return nil, errLeaving
	}
	var apikey v1alpha1.APIKey
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(raw.Object, &apikey, true); err != nil {
		return nil, &unknownFieldError{err}
	}

	return &apikey, nil
}

// unknownFieldError tells that the cluster has a newer version than this program.
type unknownFieldError struct{ err error }

// Error implements error.
func (e *unknownFieldError) Error() string {
	return "it has fields that this program does not know, so a backup would lose them: use the plugin of the version that is installed (" +
		e.err.Error() + ")"
}

// secretOf reads the Secret of an APIKey. A Secret of another owner counts as absent.
func (s Source) secretOf(ctx context.Context, apikey *v1alpha1.APIKey) (*Secret, error) {
	var secret corev1.Secret
	err := s.Client.Get(withoutLogs(ctx), types.NamespacedName{Namespace: apikey.Namespace, Name: apikey.SecretName()}, &secret)
	switch {
	case client.IgnoreNotFound(err) != nil:
		return nil, operations.WithMissingRule(err)
	case err != nil, !metav1.IsControlledBy(&secret, apikey), secret.Type != v1alpha1.SecretType, secret.DeletionTimestamp != nil:
		return nil, mismatchError{fmt.Errorf("its Secret %q is missing; the operator reports %s; wait until it is Ready, and repeat the backup",
			apikey.SecretName(), readiness(apikey))}
	}

	return &Secret{Labels: secret.Labels, Annotations: secret.Annotations, Data: secret.Data}, nil
}

// tidy takes off what the operator is about to remove: announced keys that were not handed out, and a previous key that has ended.
func (e *Entry) tidy(apikey *v1alpha1.APIKey) {
	held := digestIn(e.Secret, apikey.SecretDataKey())
	var kept []v1alpha1.KeyRecord
	for _, record := range e.APIKey.Status.Keys {
		if record.State != v1alpha1.KeyPending || record.Digest == held {
			kept = append(kept, record)
		}
	}
	e.APIKey.Status.Keys = kept
	previous := digestIn(e.Secret, apikey.SecretPreviousDataKey())
	for i := range kept {
		if kept[i].Digest == previous {
			return
		}
	}
	delete(e.Secret.Data, apikey.SecretPreviousDataKey())
}

// readiness returns what the operator says about an APIKey.
func readiness(apikey *v1alpha1.APIKey) string {
	for _, condition := range apikey.Status.Conditions {
		if condition.Type == v1alpha1.ConditionReady {
			return "Ready=" + string(condition.Status) + " (" + condition.Reason + ")"
		}
	}

	return "nothing about it"
}

// withoutLogs returns a context whose logger discards everything: client-go logs the bodies of requests and responses at verbosity 8.
func withoutLogs(ctx context.Context) context.Context { return logr.NewContext(ctx, logr.Discard()) }
