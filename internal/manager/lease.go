// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/uuid"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/controller"
)

// lease is the lock of the leader election. An outage of the API server does not change who leads:
//
//   - The leader keeps leading while its requests about the Lease are not answered. Without the API server it can do nothing, and another
//     leader cannot arise. The alternative is to exit, as client-go does, and to start with empty caches after the outage.
//   - A replica that stands by lets a term begin anew when it can read the Lease again. Else it would take over after every outage that is
//     longer than a term, just because it asks first.
//
// A leader that alone is cut off from the API server is replaced when its term is over. It notices when it is connected again, and exits
// within the renew deadline. Until then there are two, which is safe: every write has a precondition.
//
// The election calls a lease from one goroutine at a time.
type lease struct {
	resourcelock.Interface

	log *slog.Logger
	// held is the record that this replica has last written, and raw the same as it was read; nil: it does not lead.
	held *resourcelock.LeaderElectionRecord
	raw  []byte
	// unanswered is true since a request was not answered, and outages counts how often that ended.
	unanswered bool
	outages    int
}

// Get implements resourcelock.Interface.
func (l *lease) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.Interface.Get(ctx)
	if !l.note(ctx, err) {
		if l.held != nil {
			held := *l.held

			return &held, l.raw, nil
		}

		return nil, nil, err
	}
	if err != nil {
		return nil, nil, err
	}
	if record.HolderIdentity != l.Identity() {
		l.held = nil
	}
	l.raw = append(slices.Clip(raw), strconv.Itoa(l.outages)...) // a record that differs begins a term; the election compares nothing else

	return record, l.raw, nil
}

// Create implements resourcelock.Interface.
func (l *lease) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	err := l.Interface.Create(ctx, record)
	if err == nil {
		l.held = &record
	}

	return err
}

// Update implements resourcelock.Interface.
func (l *lease) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	err := l.Interface.Update(ctx, record)
	switch {
	case !l.note(ctx, err) && l.held != nil && record.HolderIdentity == l.Identity():
		return nil
	case err == nil:
		l.held = &record
		if record.HolderIdentity != l.Identity() { // released
			l.held = nil
		}
	}

	return err
}

// note reports whether a request was answered, and logs changes of that.
func (l *lease) note(ctx context.Context, err error) bool {
	if ctx.Err() != nil { // the operator ends
		return true
	}
	switch ok := answeredAboutLease(err); {
	case ok && l.unanswered:
		l.unanswered = false
		l.outages++
		l.log.Info("Requests about the Lease are answered again.")
	case !ok && !l.unanswered:
		l.unanswered = true
		l.log.Warn("Requests about the Lease are not answered: who leads stays until they are.", "leads", l.held != nil, "error", err)
	}

	return !l.unanswered
}

// answeredAboutLease reports whether an answer says what the Lease is. A refusal does not: an API server that has just started
// refuses requests until it knows the roles.
func answeredAboutLease(err error) bool {
	var status apierrors.APIStatus
	switch {
	case err == nil:
		return true
	case !errors.As(err, &status):
		return false
	}

	return slices.Contains([]int32{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity}, status.Status().Code)
}

// leaseEvents emits the events about who leads through the recorder of a manager, which is made after the lock.
type leaseEvents struct{ manager ctrl.Manager }

// Eventf implements resourcelock.EventRecorder.
func (e *leaseEvents) Eventf(object runtime.Object, kind, reason, format string, args ...any) {
	if e.manager != nil {
		e.manager.GetEventRecorderFor(controller.Name).Eventf(object, kind, reason, format, args...) //nolint:staticcheck // the lock wants one of these
	}
}

// newLease returns the lock of the leader election, with a client whose requests end before the renew deadline.
func newLease(cfg *rest.Config, o Options, events *leaseEvents, log *slog.Logger) (*lease, error) {
	namespace, err := leaseNamespace(o.leaderElectionNamespace)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	cfg = rest.AddUserAgent(cfg, "leader-election")
	cfg.Timeout = o.renewDeadline / 3 // an attempt has up to two requests
	core, err := corev1client.NewForConfig(cfg)
	if err != nil {
		return nil, err
	}
	coordination, err := coordinationv1client.NewForConfig(cfg)
	if err != nil {
		return nil, err
	}
	lock, err := resourcelock.New(resourcelock.LeasesResourceLock, namespace, controller.Name+"."+v1alpha1.GroupName, core, coordination,
		resourcelock.ResourceLockConfig{Identity: host + "_" + string(uuid.NewUUID()), EventRecorder: events})

	return &lease{Interface: lock, log: log}, err
}

// namespaceFile has the namespace of a pod.
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// leaseNamespace returns the namespace of the Lease: that of the flag, or that of the pod.
func leaseNamespace(flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	text, err := os.ReadFile(namespaceFile)
	if err != nil {
		return "", fmt.Errorf("--leader-elect outside of a pod needs --leader-election-namespace: %w", err)
	}

	return strings.TrimSpace(string(text)), nil
}
