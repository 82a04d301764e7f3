// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/hack/progress"
	"github.com/apikey-operator/apikey-operator/internal/guardrails"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

const (
	// systemNamespace is that of config/default, and soakNamespace has the APIKeys.
	systemNamespace = "apikey-operator-system"
	soakNamespace   = "soak"
)

// operatorAccount and verifierAccount are those of config/default.
func operatorAccount() guardrails.ServiceAccount {
	return guardrails.ServiceAccount{Namespace: systemNamespace, Name: "apikey-operator-controller-manager"}
}

func verifierAccount() guardrails.ServiceAccount {
	return guardrails.ServiceAccount{Namespace: systemNamespace, Name: "apikey-operator-verifier"}
}

// groups returns the groups of every token of the service accounts.
func groups() []string {
	return []string{"system:serviceaccounts", "system:serviceaccounts:" + systemNamespace}
}

// cluster is a control plane with config/default applied.
type cluster struct {
	plane *testkit.ControlPlane
	// admin may do everything that the guardrails allow, and operator is the account of the operator, whose writes they let pass.
	admin    client.WithWatch
	operator client.Client
	// controllers is kube-controller-manager.
	controllers client.Client
}

// startCluster starts a control plane and installs the manifests. The caller stops it.
func startCluster(ctx context.Context, log *progress.Log) (_ *cluster, err error) {
	root, err := testkit.Root()
	if err != nil {
		return nil, err
	}
	log.Printf("starting etcd and kube-apiserver")
	// bin/k8s is complete; a KUBEBUILDER_ASSETS of setup-envtest has no kube-controller-manager.
	if err := os.Setenv("KUBEBUILDER_ASSETS", filepath.Join(root, "bin", "k8s")); err != nil {
		return nil, err
	}
	c := &cluster{}
	if c.plane, err = testkit.StartContext(ctx, testkit.Options{}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.plane.StopHurried(process.AtOnce()))
		}
	}()
	if c.admin, err = client.NewWithWatch(c.plane.Config, client.Options{Scheme: testkit.Scheme()}); err != nil {
		return nil, err
	}
	if c.operator, err = c.clientOf(operatorAccount().Username(), groups()...); err != nil {
		return nil, err
	}
	if c.controllers, err = c.clientOf("system:kube-controller-manager"); err != nil {
		return nil, err
	}
	log.Printf("installing config/default")

	return c, c.install(ctx)
}

// clientOf returns a client of a user.
func (c *cluster) clientOf(user string, groups ...string) (client.Client, error) {
	config, err := c.plane.User(user, groups...)
	if err != nil {
		return nil, err
	}

	return client.New(config, client.Options{Scheme: testkit.Scheme()})
}

// install applies config/default and starts the controllers.
func (c *cluster) install(ctx context.Context) error {
	if err := c.plane.Install(ctx, "config/default", ""); err != nil {
		return err
	}
	// After the CRDs: the garbage collector looks for kinds when it starts, and then only every 30 seconds.
	if err := c.plane.StartControllerManager(ctx); err != nil {
		return err
	}

	return c.admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: soakNamespace}})
}

// pause waits, and reports whether the context is still there afterwards.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
