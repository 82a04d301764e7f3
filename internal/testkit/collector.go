// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// collectorTimeout is how long garbage collection may take to follow a kind. It looks for new kinds every 30 seconds.
const collectorTimeout = 3 * time.Minute

// AwaitCollector waits until garbage collection has seen every object of some kinds that exists by now.
//
// It follows each kind by a watch of its own. An owner whose deletion it sees before it has seen a dependent counts as one without
// dependents: an orphaned one is then collected after all, and one in the foreground outlives its owner. So a test that deletes an owner
// in either way calls this first.
//
// Each given object is created without an owner that exists, and is gone once garbage collection has seen it, after all that came before it.
func AwaitCollector(ctx context.Context, admin client.Client, last ...client.Object) error {
	ctx, cancel := context.WithTimeoutCause(ctx, collectorTimeout, errors.New("garbage collection does not follow the kind"))
	defer cancel()
	for _, object := range last {
		object.SetOwnerReferences(
			[]metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "not-there", UID: "0b1a3c52-7b1e-4d0c-9d53-5d7b1f1f2a10"}},
		)
		if err := admin.Create(ctx, object); err != nil {
			return fmt.Errorf("create an object for garbage collection: %w", err)
		}
		err := wait.PollUntilContextCancel(ctx, serverPoll, true, func(ctx context.Context) (bool, error) {
			err := admin.Get(ctx, client.ObjectKeyFromObject(object), object)

			return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
		})
		if err != nil {
			return fmt.Errorf("await garbage collection of %T %s: %w: %w", object, object.GetName(), err, context.Cause(ctx))
		}
	}

	return nil
}
