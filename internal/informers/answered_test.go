// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package informers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"syscall"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// TestAnswered: only a refusal is a decision of the API server. Everything else is tried again at the pace of an outage.
func TestAnswered(t *testing.T) {
	secrets := schema.GroupResource{Resource: "secrets"}
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"bad request":          {apierrors.NewBadRequest("sendInitialEvents"), true},
		"unauthorized":         {apierrors.NewUnauthorized("no"), true},
		"forbidden":            {apierrors.NewForbidden(secrets, "", errors.New("no role")), true},
		"no such resource":     {apierrors.NewNotFound(secrets, ""), true},
		"version too old":      {apierrors.NewResourceExpired("too old"), true},
		"wrapped refusal":      {fmt.Errorf("list: %w", apierrors.NewResourceExpired("too old")), true},
		"too many requests":    {apierrors.NewTooManyRequests("wait", 1), false},
		"etcd does not answer": {apierrors.NewInternalError(errors.New("etcdserver: request timed out")), false},
		"not ready":            {apierrors.NewServiceUnavailable("starting"), false},
		"an answer of a proxy": {apierrors.NewGenericServerResponse(http.StatusBadGateway, "list", secrets, "", "", 0, false), false},
		"connection refused":   {&url.Error{Op: "Get", Err: syscall.ECONNREFUSED}, false},
		"connection cut":       {io.ErrUnexpectedEOF, false},
		"a time limit":         {context.DeadlineExceeded, false},
		"watch not begun":      {errNotOpened, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := answered(c.err); got != c.want {
				t.Errorf("answered(%v) is %t", c.err, got)
			}
		})
	}
}
