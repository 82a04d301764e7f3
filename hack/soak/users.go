// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/hack/soak/oracle"
	"github.com/apikey-operator/apikey-operator/hack/soak/schedule"
)

const (
	// patience is how late an operation may begin. Operations that an outage delays for longer are skipped, so that the slot stays on time.
	patience = 10 * time.Second
	// attemptTimeout is how long an attempt may take, and attemptPause the time until the next.
	attemptTimeout = 4 * time.Second
	attemptPause   = 250 * time.Millisecond
	// refusedAttempts is after how many of them 403 and 422 are believed: an API server that has just started refuses until it knows
	// the roles.
	refusedAttempts = 100
)

// user carries out the operations of a slot, one after another.
type user struct {
	*soak

	name string
	// uid is that of the present APIKey, and values its rotate annotations so far, with the overlap of each.
	uid      types.UID
	values   []rotation
	overlap  time.Duration // in the spec
	expiring bool
}

// rotation is a value of the rotate annotation.
type rotation struct {
	value   string
	overlap time.Duration
}

// run carries out operations until ctx ends.
func (u *user) run(ctx context.Context, operations []schedule.Operation) error {
	for _, op := range operations {
		if !pause(ctx, time.Until(u.began.Add(op.At))) {
			return nil
		}
		if late := time.Since(u.began.Add(op.At)); late > patience && op.Kind != schedule.Create {
			u.tally.skip()

			continue
		}
		if err := u.carryOut(ctx, op); err != nil && ctx.Err() == nil {
			return fmt.Errorf("%s: %s: %w", u.name, op.Kind, err)
		}
	}

	return nil
}

// carryOut carries out one operation. On an APIKey that has ended, every operation deletes it and creates another.
func (u *user) carryOut(ctx context.Context, op schedule.Operation) error {
	kind := op.Kind
	if u.uid != "" && u.hasEnded() {
		kind = schedule.Recreate
	}
	acts := map[schedule.OperationKind]func(context.Context, schedule.Operation) error{
		schedule.Create: u.create, schedule.Recreate: u.recreate,
		schedule.Rotate: u.rotate, schedule.RotateOverlap: u.rotate, schedule.RotateAgain: u.rotateAgain, schedule.Claim: u.claim,
		schedule.Suspend: u.change(schedule.Suspend, `{"spec":{"suspend":true}}`), schedule.Resume: u.change(schedule.Resume, `{"spec":{"suspend":false}}`),
		schedule.Revoke: u.change(schedule.Revoke, `{"spec":{"revoked":true}}`), schedule.Expire: u.expire, schedule.Rename: u.rename,
		schedule.DeleteSecret: u.deleteSecret, schedule.EditSecret: u.editSecret, schedule.RestoreSecret: u.restoreSecret,
		schedule.RestoreStatus: u.restoreStatus,
	}
	err := acts[kind](ctx, op)
	if errors.Is(err, errNothing) || missing(err) {
		kind, err = schedule.Rename, u.rename(ctx, op)
	}
	if endedMeanwhile(kind, err) {
		u.tally.refuse()

		return nil
	}
	if err == nil {
		u.tally.operation(kind)
	}

	return err
}

// endedMeanwhile reports whether the API server has refused to end an APIKey because it has ended since the user looked: a watch that was
// interrupted shows that late.
func endedMeanwhile(kind schedule.OperationKind, err error) bool {
	return apierrors.IsInvalid(err) && (kind == schedule.Expire || kind == schedule.Revoke)
}

// errNothing says that an operation has no object, such as a Secret that is not there. The user renames the APIKey instead.
var errNothing = errors.New("there is nothing to do that to")

// hasEnded reports whether the APIKey is known to be Revoked or Expired.
func (u *user) hasEnded() bool {
	apikey := u.observer.apikey(u.uid)

	return apikey != nil && apikey.Status.Phase.IsFinal()
}

// persist repeats an attempt until it succeeds or is definitely refused. It reports whether an earlier attempt may have been carried out.
func persist(ctx context.Context, attempt func(context.Context) error) (uncertain bool, err error) {
	for refusals := 0; ; {
		limited, cancel := context.WithTimeout(ctx, attemptTimeout)
		err = attempt(limited)
		cancel()
		if (apierrors.IsForbidden(err) || apierrors.IsInvalid(err)) && !withoutParameters(err) {
			refusals++
		}
		if err == nil || definite(err) || refusals == refusedAttempts {
			return uncertain, err
		}
		if uncertain = uncertain || !refused(err); !pause(ctx, attemptPause) {
			return uncertain, context.Cause(ctx)
		}
	}
}

// withoutParameters reports whether the API server has refused a change because it does not know the kind of a guardrail's parameters
// yet: 422, whose text says "is forbidden". It looks for kinds every 30 seconds, so under load a restart can refuse every change for
// longer than refusedAttempts take.
func withoutParameters(err error) bool {
	return apierrors.IsInvalid(err) && strings.Contains(err.Error(), "failed to configure policy")
}

// definite reports whether another attempt would be refused as well.
func definite(err error) bool {
	return errors.Is(err, errNothing) || missing(err) || apierrors.IsAlreadyExists(err)
}

// missing reports whether an object is not there. An API server that has just started answers 404 as well, until it serves the kind.
func missing(err error) bool {
	return apierrors.IsNotFound(err) && !apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}

// refused reports whether an attempt was certainly not carried out.
func refused(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsForbidden(err) || apierrors.IsInvalid(err) || apierrors.IsTooManyRequests(err) ||
		apierrors.IsUnauthorized(err)
}

// request carries out a request and tells the oracle.
func (u *user) request(ctx context.Context, intent oracle.Intent, attempt func(context.Context) (version string, err error)) error {
	intent.UID = u.uid
	r := u.oracle.Begin(time.Now(), intent)
	version := ""
	uncertain, err := persist(ctx, func(ctx context.Context) (err error) {
		version, err = attempt(ctx)

		return err
	})
	deleted := version == "" && missing(err) && uncertain
	switch {
	case err == nil, deleted:
		number, _ := strconv.ParseUint(version, 10, 64)
		u.oracle.Acked(time.Now(), r, number)

		return nil
	case definite(err), apierrors.IsInvalid(err) && !uncertain:
		u.oracle.Void(time.Now(), r)
	}

	return err
}

// patch merges a patch into the APIKey.
func (u *user) patch(ctx context.Context, intent oracle.Intent, patch string) error {
	return u.request(ctx, intent, func(ctx context.Context) (string, error) {
		apikey := &v1alpha1.APIKey{ObjectMeta: metav1.ObjectMeta{Namespace: soakNamespace, Name: u.name}}
		err := u.cluster.admin.Patch(ctx, apikey, client.RawPatch(types.MergePatchType, []byte(patch)))

		return apikey.ResourceVersion, err
	})
}

// change returns an operation that merges a patch.
func (u *user) change(kind schedule.OperationKind, patch string) func(context.Context, schedule.Operation) error {
	return func(ctx context.Context, _ schedule.Operation) error {
		return u.patch(ctx, oracle.Intent{Kind: kind}, patch)
	}
}

func (u *user) rename(ctx context.Context, op schedule.Operation) error {
	return u.patch(ctx, oracle.Intent{Kind: schedule.Rename}, fmt.Sprintf(`{"spec":{"displayName":"Name %d"}}`, op.Number))
}
