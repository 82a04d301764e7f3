// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/controller"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// The caches are started before the controller makes its informers. A stopped API server makes that time long.
func TestAReplicaIsNotReadyBeforeItKnowsEveryKey(t *testing.T) {
	plane := testkit.StartFor(t, testkit.Options{})
	options := controller.CacheOptions()
	options.Scheme = testkit.Scheme()
	caches, err := cache.New(plane.Config, options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	go func() { _ = caches.Start(ctx) }() // ends with the context
	if !caches.WaitForCacheSync(ctx) {
		t.Fatal("the caches do not start")
	}
	if _, err := caches.GetInformer(ctx, &v1alpha1.APIKeyRole{}); err != nil { // which the operator does not follow
		t.Fatal(err)
	}
	if err := plane.Signal("kube-apiserver", syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	answer := filled(ctx, caches)
	if err := plane.Signal("kube-apiserver", syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(answer, errNotFilled) {
		t.Errorf("while the API server is stopped: %v, want %v", answer, errNotFilled)
	}
	err = wait.PollUntilContextCancel(ctx, 10*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		return filled(ctx, caches) == nil, nil
	})
	if err != nil {
		t.Errorf("with an API server that answers: %v: %v", err, filled(ctx, caches))
	}
}
