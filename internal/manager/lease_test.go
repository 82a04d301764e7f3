// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"syscall"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// TestAnsweredAboutLease: only answers that say what the Lease is change who leads.
func TestAnsweredAboutLease(t *testing.T) {
	leases := schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"success":                 {nil, true},
		"not found":               {apierrors.NewNotFound(leases, "lease"), true},
		"already exists":          {apierrors.NewAlreadyExists(leases, "lease"), true},
		"conflict":                {apierrors.NewConflict(leases, "lease", errors.New("it has changed")), true},
		"wrapped conflict":        {fmt.Errorf("update: %w", apierrors.NewConflict(leases, "lease", errors.New("it has changed"))), true},
		"invalid":                 {apierrors.NewInvalid(schema.GroupKind{Kind: "Lease"}, "lease", nil), true},
		"roles not known yet":     {apierrors.NewForbidden(leases, "lease", errors.New("no role")), false},
		"token not known yet":     {apierrors.NewUnauthorized("no"), false},
		"too many requests":       {apierrors.NewTooManyRequests("wait", 1), false},
		"etcd does not answer":    {apierrors.NewInternalError(errors.New("etcdserver: request timed out")), false},
		"not ready":               {apierrors.NewServiceUnavailable("starting"), false},
		"timeout of the server":   {apierrors.NewTimeoutError("slow", 1), false},
		"an answer of a proxy":    {apierrors.NewGenericServerResponse(http.StatusBadGateway, "get", leases, "lease", "", 0, false), false},
		"connection refused":      {&url.Error{Op: "Get", Err: syscall.ECONNREFUSED}, false},
		"timeout of the operator": {context.DeadlineExceeded, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := answeredAboutLease(c.err); got != c.want {
				t.Errorf("answeredAboutLease(%v) is %t", c.err, got)
			}
		})
	}
}
