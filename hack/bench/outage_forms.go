// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// outageForm is a way in which the API server is away.
type outageForm struct {
	name       string
	begin, end func(context.Context, *outageSite) error
	// relay says that the API server is well, and that only the programs are cut off from it.
	relay bool
}

// outageForms returns all forms.
func outageForms() []outageForm {
	const apiServer, etcd = "kube-apiserver", "etcd"

	return []outageForm{
		{name: "API server killed", begin: killed(apiServer), end: restarted(apiServer)},
		{name: "API server frozen", begin: signalled(apiServer, syscall.SIGSTOP), end: signalled(apiServer, syscall.SIGCONT)},
		{name: "connections broken", begin: relayed(testkit.Breaks), end: relayed(testkit.NoFault), relay: true},
		{name: "connections swallowed", begin: relayed(testkit.Swallows), end: relayed(testkit.NoFault), relay: true},
		{name: "etcd killed", begin: killed(etcd), end: restarted(etcd)},
		{name: "etcd frozen", begin: signalled(etcd, syscall.SIGSTOP), end: signalled(etcd, syscall.SIGCONT)},
	}
}

func killed(program string) func(context.Context, *outageSite) error {
	return func(_ context.Context, s *outageSite) error { return s.plane.Kill(program) }
}

func restarted(program string) func(context.Context, *outageSite) error {
	return func(ctx context.Context, s *outageSite) error { return s.plane.Restart(ctx, program) }
}

func signalled(program string, signal syscall.Signal) func(context.Context, *outageSite) error {
	return func(_ context.Context, s *outageSite) error { return s.plane.Signal(program, signal) }
}

func relayed(fault testkit.Fault) func(context.Context, *outageSite) error {
	return func(_ context.Context, s *outageSite) error { s.relay.Set(fault); return nil }
}

// outage has one outage, and returns how long after the return of the API server each effect had happened, and how many connections a
// second the programs made meanwhile. Where the API server is well the effects are asked for during the outage, else right after its return.
func (s *outageSite) outage(ctx context.Context, form outageForm, length time.Duration, i int) (map[string]time.Duration, float64, error) {
	subjects, err := s.newSubjects(ctx, i)
	if err != nil {
		return nil, 0, err
	}
	before := s.relay.Accepted()
	if err := form.begin(ctx, s); err != nil {
		return nil, 0, err
	}
	if form.relay {
		err = subjects.request(ctx)
	}
	err = errors.Join(err, pause(ctx, length))
	rate := float64(s.relay.Accepted()-before) / length.Seconds()
	if err = errors.Join(err, form.end(ctx, s)); err != nil {
		return nil, 0, err
	}
	returned, err := s.awaitReturn(ctx)
	if err != nil {
		return nil, 0, err
	}
	if !form.relay {
		if err := subjects.request(ctx); err != nil {
			return nil, 0, err
		}
	}
	took, err := subjects.await(ctx, returned)

	return took, rate, errors.Join(err, s.alive())
}

// awaitReturn waits until the API server answers questions about APIKeys and Secrets from etcd, and returns when it did. After 43 seconds
// without etcd that took 25 seconds, of which /readyz covers all or nothing: it asks etcd on a connection of its own, and gRPC tries each
// connection again after 1 second, then 1.6 times that, and so on. Meanwhile no client gets an answer.
func (s *outageSite) awaitReturn(ctx context.Context) (time.Time, error) {
	if err := s.plane.AwaitAPIServer(ctx); err != nil {
		return time.Time{}, err
	}
	for _, list := range []client.ObjectList{&v1alpha1.APIKeyList{}, &corev1.SecretList{}} {
		err := eventually(ctx, "a list from etcd", func(ctx context.Context) error { return s.client.List(ctx, list, client.Limit(1)) })
		if err != nil {
			return time.Time{}, err
		}
	}

	return time.Now(), nil
}
