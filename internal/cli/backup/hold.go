// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
)

// LeaseName is the name of the Lease of the operator's leader election.
const LeaseName = "apikey-operator." + v1alpha1.GroupName

// The times of the election. An operator that starts after a restore was killed waits leaseDuration.
const (
	leaseDuration = time.Minute
	renewDeadline = 40 * time.Second
	retryPeriod   = time.Second
)

// errLeaseLost tells that the Lease could not be renewed, or another program took it.
var errLeaseLost = errors.New("the Lease of the operator was lost, so an operator may be at work: what was restored so far is complete; " +
	"stop the operator and run the same command again")

// LiveLeaderError tells that an operator is at work.
type LiveLeaderError struct {
	// Holder is the replica that leads.
	Holder string
	// Namespace is that of the operator.
	Namespace string
}

// Error implements error.
func (e *LiveLeaderError) Error() string {
	return fmt.Sprintf("the operator is running (%s leads): it would draw new keys for APIKeys whose keys are not restored yet. Stop it with "+
		"`kubectl scale deployment apikey-operator-controller-manager -n %s --replicas=0`, run the same command again, and start it afterwards",
		e.Holder, e.Namespace)
}

// Lease is the Lease that keeps the operator from working.
type Lease struct {
	lock    resourcelock.Interface
	waiting func(holder string, seconds int)
}

// NewLease returns the Lease of the operator in a namespace. It calls waiting when it has to wait for a holder that may be gone.
func NewLease(cfg *rest.Config, namespace string, waiting func(holder string, seconds int)) (*Lease, error) {
	cfg = rest.CopyConfig(cfg)
	cfg.Timeout = renewDeadline / 2
	coordination, err := coordinationv1.NewForConfig(cfg)
	if err != nil {
		return nil, err
	}

	return &Lease{waiting: waiting, lock: &resourcelock.LeaseLock{
		LeaseMeta: metav1.ObjectMeta{Namespace: namespace, Name: LeaseName}, Client: coordination,
		LockConfig: resourcelock.ResourceLockConfig{Identity: operations.FieldManager + "-restore_" + string(uuid.NewUUID())},
	}}, nil
}

// Hold does work while it holds the Lease. The context of the work ends with ctx, or when the Lease is lost. Hold returns once the work has
// ended and the Lease is given back. It returns a LiveLeaderError if an operator holds it.
func (l *Lease) Hold(ctx context.Context, work func(ctx context.Context) error) error {
	// The election ends after the work, so that the operator begins when the last write is done.
	election, end := context.WithCancelCause(withoutLogs(context.WithoutCancel(ctx)))
	defer end(nil)
	lock := &observedLock{Interface: l.lock, lease: l, stop: end}
	stopWaiting := context.AfterFunc(ctx, func() {
		if !lock.held.Load() {
			end(context.Cause(ctx))
		}
	})
	defer stopWaiting()
	result := make(chan error, 1)
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: lock, Name: LeaseName, LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod, ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(leading context.Context) {
				lock.held.Store(true)
				working, cancel := context.WithCancelCause(ctx)
				defer cancel(nil)
				defer context.AfterFunc(leading, func() { cancel(errLeaseLost) })()
				result <- work(working)
				end(nil)
			},
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return err
	}
	elector.Run(election)
	if !lock.held.Load() {
		return context.Cause(election)
	}

	return <-result
}

// observedLock ends the election when it cannot be won: another holder renews, or a request is refused.
type observedLock struct {
	resourcelock.Interface

	lease *Lease
	stop  context.CancelCauseFunc
	held  atomic.Bool
	seen  *resourcelock.LeaderElectionRecord
}

// Get implements resourcelock.Interface.
func (l *observedLock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.Interface.Get(ctx)
	if err != nil || record.HolderIdentity == "" || record.HolderIdentity == l.Identity() {
		return record, raw, l.note(err)
	}
	switch {
	case l.held.Load():
		l.stop(errLeaseLost)
	case l.seen == nil:
		l.lease.waiting(record.HolderIdentity, record.LeaseDurationSeconds)
	case l.seen.HolderIdentity != record.HolderIdentity, !l.seen.RenewTime.Equal(&record.RenewTime):
		l.stop(&LiveLeaderError{Holder: record.HolderIdentity, Namespace: l.namespace()})
	}
	l.seen = record

	return record, raw, nil
}

// Create implements resourcelock.Interface.
func (l *observedLock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	err := l.Interface.Create(ctx, record)
	if apierrors.IsNotFound(err) && !l.held.Load() {
		l.stop(fmt.Errorf("%w: install the operator first, or name its account with --operator NAMESPACE/NAME", err))
	}

	return l.note(err)
}

// Update implements resourcelock.Interface.
func (l *observedLock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.note(l.Interface.Update(ctx, record))
}

// note ends the election if a request failed for another reason than another writer. While the Lease is held, the election retries.
func (l *observedLock) note(err error) error {
	if err != nil && !l.held.Load() && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
		l.stop(operations.WithMissingRule(err))
	}

	return err
}

// namespace returns that of the Lease.
func (l *observedLock) namespace() string {
	if lock, ok := l.Interface.(*resourcelock.LeaseLock); ok {
		return lock.LeaseMeta.Namespace
	}

	return ""
}
