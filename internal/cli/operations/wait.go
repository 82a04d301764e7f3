// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// pollInterval is how often an APIKey is read while an operation waits for it. A watch would need two more rights, to list and to watch.
const pollInterval = 150 * time.Millisecond

// ErrWaitTimeout tells that an APIKey did not get into the wanted state in time. What was asked for stays asked for.
var ErrWaitTimeout = errors.New("the time limit has passed")

// ErrReplaced tells that an APIKey was deleted and made again while an operation was about it.
var ErrReplaced = errors.New("the APIKey was deleted and made again meanwhile: look at it and repeat the command")

// AwaitReady waits until the operator has acted on the generation of key, and returns the APIKey as it then is.
// It returns an error as soon as the operator reports that it cannot go on by itself.
func (s Service) AwaitReady(ctx context.Context, key *v1alpha1.APIKey, limit time.Duration) (*v1alpha1.APIKey, error) {
	generation := key.Generation

	return s.await(ctx, key, limit, func(now *v1alpha1.APIKey) bool {
		return now.Status.ObservedGeneration >= generation && isTrue(now, v1alpha1.ConditionReady)
	})
}

// AwaitRotated waits until the rotation that Rotate asked for by name has taken effect, and returns the APIKey as it then is.
func (s Service) AwaitRotated(ctx context.Context, key *v1alpha1.APIKey, request string, limit time.Duration) (*v1alpha1.APIKey, error) {
	return s.await(ctx, key, limit, func(now *v1alpha1.APIKey) bool {
		return now.Status.LastRotation != nil && now.Status.LastRotation.Name == request && isTrue(now, v1alpha1.ConditionReady)
	})
}

// await polls an APIKey until it is as wanted.
func (s Service) await(ctx context.Context, key *v1alpha1.APIKey, limit time.Duration, wanted func(*v1alpha1.APIKey) bool,
) (*v1alpha1.APIKey, error) {
	waiting, cancel := context.WithTimeoutCause(ctx, limit, ErrWaitTimeout)
	defer cancel()
	ticker := s.Clock.NewTicker(pollInterval)
	defer ticker.Stop()
	last := key
	for {
		now, err := s.Get(waiting, NameOf(key))
		switch {
		case waiting.Err() != nil:
			return nil, notYet(last, context.Cause(waiting))
		case err != nil:
			return nil, err
		case now.UID != key.UID:
			return nil, ErrReplaced
		case wanted(now):
			return now, nil
		case isTrue(now, v1alpha1.ConditionStalled):
			return nil, stalled(now)
		}
		last = now
		select {
		case <-waiting.Done():
			return nil, notYet(last, context.Cause(waiting))
		case <-ticker.C():
		}
	}
}

// notYet says in which state an APIKey was when the wait for it ended.
func notYet(key *v1alpha1.APIKey, cause error) error {
	reported := "the operator has not reported on it: check that it runs"
	if ready := condition(key, v1alpha1.ConditionReady); ready != nil {
		reported = fmt.Sprintf("the operator reports %s: %s", ready.Reason, ready.Message)
	}

	return fmt.Errorf("%w while waiting for apikey %s; %s", cause, NameOf(key), reported)
}

// stalled says why the operator cannot go on.
func stalled(key *v1alpha1.APIKey) error {
	why := condition(key, v1alpha1.ConditionStalled)

	return &StalledError{Name: NameOf(key), Reason: why.Reason, Message: why.Message}
}

// StalledError tells that the operator cannot reconcile an APIKey unless a person acts.
type StalledError struct {
	Name            types.NamespacedName
	Reason, Message string
}

// Error implements error.
func (e *StalledError) Error() string {
	return fmt.Sprintf("apikey %s is stalled (%s): %s", e.Name, e.Reason, e.Message)
}
