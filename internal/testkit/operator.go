// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/apikey-operator/apikey-operator/internal/controller"
)

// RunOperator runs the operator, for tests of what relies on it: in this process, as an administrator, and whether or not
// there are guardrails. The function that it returns ends it and waits for that.
func (c *ControlPlane) RunOperator(ctx context.Context) (stop func() error, err error) {
	return c.RunOperatorBy(ctx, clock.RealClock{})
}

// RunOperatorBy is RunOperator with another clock.
func (c *ControlPlane) RunOperatorBy(ctx context.Context, clk clock.PassiveClock) (stop func() error, err error) {
	return runOperator(ctx, c.Config, clk)
}

// RunOperatorAs is RunOperator as another user, such as the service account that the guardrails know.
func (c *ControlPlane) RunOperatorAs(ctx context.Context, user string, groups ...string) (stop func() error, err error) {
	cfg, err := c.User(user, groups...)
	if err != nil {
		return nil, err
	}

	return runOperator(ctx, cfg, clock.RealClock{})
}

func runOperator(ctx context.Context, cfg *rest.Config, clk clock.PassiveClock) (stop func() error, err error) {
	mgr, err := ctrl.NewManager(cfg, ctrl.Options{
		Scheme: Scheme(), Cache: controller.CacheOptions(), Client: controller.ClientOptions(),
		Metrics:                metricsserver.Options{BindAddress: "0"},
		HealthProbeBindAddress: "0",
		Controller:             config.Controller{SkipNameValidation: new(true)}, // several operators in one process
	})
	if err != nil {
		return nil, fmt.Errorf("make the operator: %w", err)
	}
	if err := controller.Setup(mgr, controller.Options{
		Concurrency: 8, Clock: clk, Registerer: prometheus.NewRegistry(),
	}); err != nil {
		return nil, fmt.Errorf("set up the operator: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()

	return func() error {
		cancel()

		return <-ended
	}, nil
}
