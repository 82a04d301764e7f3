// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/hack/soak/schedule"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// driveFaults makes the faults of the schedule happen, and returns when all are over.
func (s *soak) driveFaults(ctx context.Context) error {
	const controlPlane, connections = "control plane", "connection of "
	sequences := map[string][]schedule.Fault{} // each has one fault at a time
	for _, f := range s.schedule.Faults {
		sequence := controlPlane
		if _, isProcess := s.replicas[f.Target]; isProcess {
			if sequence = string(f.Target); !f.OnProcess() {
				sequence = connections + sequence
			}
		}
		sequences[sequence] = append(sequences[sequence], f)
	}
	var all sync.WaitGroup
	errs := make(chan error, len(sequences))
	for _, faults := range sequences {
		all.Go(func() {
			for _, f := range faults {
				if !pause(ctx, time.Until(s.began.Add(f.At))) {
					return
				}
				if err := s.fault(ctx, f); err != nil {
					errs <- fmt.Errorf("%s of %s: %w", f.Kind, f.Target, err)

					return
				}
			}
		})
	}
	all.Wait()
	close(errs)
	var failed error
	for err := range errs {
		failed = errors.Join(failed, err)
	}

	return failed
}

// fault makes one fault happen, and ends it.
func (s *soak) fault(ctx context.Context, f schedule.Fault) error {
	r, isProcess := s.replicas[f.Target]
	switch {
	case !isProcess:
		return s.controlPlaneFault(ctx, f)
	case f.Kind == schedule.Kill:
		if r.kill(f.For) {
			s.tally.fault(f)
		}
	case f.Kind == schedule.Stop:
		if p := r.signal(nil, syscall.SIGSTOP, true); p != nil {
			s.tally.fault(f)
			pause(ctx, f.For)
			r.signal(p, syscall.SIGCONT, false)
		}
	default:
		s.connectionFault(ctx, r, f)
	}

	return nil
}

// connectionFault cuts the connection of a process to the API server for a while.
func (s *soak) connectionFault(ctx context.Context, r *replica, f schedule.Fault) {
	kind := testkit.Breaks
	if f.Kind == schedule.Swallow {
		kind = testkit.Swallows
	}
	s.tally.fault(f)
	s.oracle.Connection(time.Now(), f.Target, true)
	r.relay.Set(kind)
	pause(ctx, f.For)
	r.relay.Set(testkit.NoFault)
	s.oracle.Connection(time.Now(), f.Target, false)
	s.tally.faultEnded(f.Target, time.Now())
}

// controlPlaneFault stops or kills API server or etcd for a while. It ends when the API server answers again, and accepts changes of
// APIKeys if it was started.
func (s *soak) controlPlaneFault(ctx context.Context, f schedule.Fault) error {
	plane, program := s.cluster.plane, string(f.Target)
	s.tally.fault(f)
	s.oracle.ControlPlane(time.Now(), f.Target, true)
	begin, end := func() error { return plane.Signal(program, syscall.SIGSTOP) }, func() error { return plane.Signal(program, syscall.SIGCONT) }
	if f.Kind == schedule.Kill {
		begin, end = func() error { return plane.Kill(program) }, func() error { return plane.Restart(ctx, program) }
	}
	if err := begin(); err != nil {
		return err
	}
	pause(ctx, f.For)
	if err := end(); err != nil {
		return err
	}
	if err := plane.AwaitAPIServer(ctx); err != nil {
		return err
	}
	if f.Kind == schedule.Kill && f.Target == schedule.APIServer {
		if err := s.cluster.restartControllers(ctx); err != nil {
			return err
		}
		if err := s.cluster.awaitChanges(ctx); err != nil {
			return err
		}
	}
	s.oracle.ControlPlane(time.Now(), f.Target, false)
	s.tally.faultEnded(f.Target, time.Now())

	return nil
}

// awaitChanges waits until the API server accepts changes of APIKeys: see withoutParameters. Until then no operator can work.
func (c *cluster) awaitChanges(ctx context.Context) error {
	_, err := persist(ctx, func(ctx context.Context) error {
		apikey := &v1alpha1.APIKey{ObjectMeta: metav1.ObjectMeta{Namespace: soakNamespace, GenerateName: "accepted-"}}
		apikey.Spec.Environment = v1alpha1.EnvironmentProduction

		return c.admin.Create(ctx, apikey, client.DryRunAll)
	})
	if err != nil {
		return fmt.Errorf("wait until the API server accepts changes of APIKeys: %w", err)
	}

	return nil
}

// restartControllers restarts kube-controller-manager, which a lost Lease does in a cluster whose API server is away. Garbage collection
// that goes on misses owners for ever that were deleted and created again by the same name while its watch was interrupted: its informer
// reports them as changed. The restart waits for the roles, without which the watches would wait for up to a minute.
func (c *cluster) restartControllers(ctx context.Context) error {
	const program = "kube-controller-manager"
	if err := c.plane.Kill(program); err != nil {
		return err
	}
	if _, err := persist(ctx, func(ctx context.Context) error {
		return c.controllers.List(ctx, &corev1.SecretList{}, client.Limit(1))
	}); err != nil {
		return err
	}

	return c.plane.Restart(ctx, program)
}
