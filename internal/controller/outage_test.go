// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// TestIsOutage: after an outage all APIKeys that it has stopped are tried again at once, and after another failure only its own.
func TestIsOutage(t *testing.T) {
	secrets := corev1.Resource("secrets")
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"connection refused":   {&url.Error{Op: "Put", Err: syscall.ECONNREFUSED}, true},
		"connection cut":       {fmt.Errorf("update: %w", io.ErrUnexpectedEOF), true},
		"a time limit":         {context.DeadlineExceeded, true},
		"etcd does not answer": {apierrors.NewInternalError(errors.New("etcdserver: leader changed")), true},
		"wrapped":              {fmt.Errorf("update: %w", apierrors.NewInternalError(errors.New("etcdserver: leader changed"))), true},
		"not ready":            {apierrors.NewServiceUnavailable("starting"), true},
		"timeout":              {apierrors.NewTimeoutError("slow", 1), true},
		"too many requests":    {apierrors.NewTooManyRequests("wait", 1), true},
		"a webhook is down":    {apierrors.NewInternalError(errors.New(`failed calling webhook "a.example.com": connection refused`)), false},
		"forbidden":            {apierrors.NewForbidden(secrets, "s", errors.New("no role")), false},
		"unauthorized":         {apierrors.NewUnauthorized("no"), false},
		"not found":            {apierrors.NewNotFound(secrets, "s"), false},
		"conflict":             {apierrors.NewConflict(secrets, "s", errors.New("it has changed")), false},
		"invalid":              {apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("Secret").GroupKind(), "s", nil), false},
		"a quota":              {apierrors.NewForbidden(secrets, "s", errors.New("exceeded quota")), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := isOutage(c.err); got != c.want {
				t.Errorf("isOutage(%v) is %t", c.err, got)
			}
		})
	}
}
