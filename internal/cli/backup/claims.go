// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"context"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
)

// claims are the APIKeys that have a record of a key, by its digest. Verifiers refuse a key that two APIKeys have.
type claims map[string][]types.NamespacedName

// claims returns those of the backup and of the cluster.
func (t Target) claims(ctx context.Context, archive *Archive, namespace string) (claims, error) {
	c := claims{}
	namespaces := map[string]bool{}
	for e := range archive.Entries() {
		if namespace == "" || e.APIKey.Namespace == namespace {
			namespaces[e.APIKey.Namespace] = true
			c.add(e.Name(), e.APIKey.Status.Keys)
		}
	}
	err := t.addExisting(ctx, c, "")
	if !apierrors.IsForbidden(err) {
		return c, err
	}
	for _, name := range slices.Sorted(maps.Keys(namespaces)) { // an operator with --namespaces may read these only
		if err := t.addExisting(ctx, c, name); err != nil && !apierrors.IsForbidden(err) {
			return nil, err
		}
	}

	return c, nil
}

// addExisting adds those of a namespace of the cluster, or of all for an empty one. It lists as the operator: users may lack the right.
func (t Target) addExisting(ctx context.Context, c claims, namespace string) error {
	operator := operations.Service{Client: t.Operator, Clock: t.Clock}
	_, err := operator.List(ctx, operations.Filter{Namespace: namespace}, func(page []v1alpha1.APIKey) error {
		for i := range page {
			c.add(operations.NameOf(&page[i]), page[i].Status.Keys)
		}

		return nil
	})

	return err
}

func (c claims) add(name types.NamespacedName, records []v1alpha1.KeyRecord) {
	for i := range records {
		if digest := records[i].Digest; !slices.Contains(c[digest], name) {
			c[digest] = append(c[digest], name)
		}
	}
}

// check returns an error if another APIKey has a record of a key of this one.
func (c claims) check(e *Entry) error {
	for i := range e.APIKey.Status.Keys {
		record := &e.APIKey.Status.Keys[i]
		for _, other := range c[record.Digest] {
			if other != e.Name() {
				return refusef("apikey %s has the same key %s, so verifiers would refuse both: rotate or delete one of them where the backup was made, "+
					"and back up again", other, record.ID)
			}
		}
	}

	return nil
}
