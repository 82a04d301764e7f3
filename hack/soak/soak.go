// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/hack/progress"
	"github.com/apikey-operator/apikey-operator/hack/soak/oracle"
	"github.com/apikey-operator/apikey-operator/hack/soak/schedule"
	"github.com/apikey-operator/apikey-operator/internal/guardrails"
)

const (
	// startTimeout is how long the four programs may take until they are ready.
	startTimeout = 2 * time.Minute
	// progressEvery is how often the progress is printed.
	progressEvery = 5 * time.Second
	// heartbeat is how often the soak looks whether it runs, and starvation the pause that counts as a standstill of the machine.
	heartbeat  = 200 * time.Millisecond
	starvation = 1200 * time.Millisecond
)

// soak is one run.
type soak struct {
	options  options
	schedule schedule.Schedule
	hurry    <-chan struct{}
	log      *progress.Log
	cluster  *cluster
	replicas map[schedule.Target]*replica
	askers   map[schedule.Target]*asker
	oracle   *oracle.Oracle
	vault    *vault
	observer *observer
	tally    *tally
	began    time.Time
	took     time.Duration

	supervisors *errgroup.Group
	endPrograms context.CancelFunc
}

// newSoak starts a cluster and prepares the programs. The caller calls stop.
func newSoak(ctx context.Context, hurry <-chan struct{}, o options, stderr io.Writer) (*soak, error) {
	s := &soak{
		options: o, schedule: schedule.Draw(o.Options), hurry: hurry, log: progress.New(stderr), oracle: oracle.New(), vault: newVault(),
		tally: newTally(), replicas: map[schedule.Target]*replica{}, askers: map[schedule.Target]*asker{}, began: time.Now(),
		endPrograms: func() {},
	}
	var err error
	if s.cluster, err = startCluster(ctx, s.log); err != nil {
		return nil, err
	}
	s.observer = newObserver(s.cluster.admin, s.oracle, s.vault)
	for _, target := range append(schedule.Operators(), schedule.Verifiers()...) {
		if err := s.addReplica(ctx, target); err != nil {
			return nil, errors.Join(err, s.stop())
		}
	}

	return s, nil
}

// addReplica prepares a program, with a connection of its own.
func (s *soak) addReplica(ctx context.Context, target schedule.Target) error {
	plane := s.cluster.plane
	relay, err := plane.NewRelay(ctx)
	if err != nil {
		return err
	}
	r := &replica{target: target, relay: relay, folder: plane.Folder(), oracle: s.oracle, tally: s.tally, hurry: s.hurry}
	s.replicas[target] = r
	probes, err := plane.FreeAddress()
	if err != nil {
		return err
	}
	r.probe = "http://" + probes + "/readyz"
	account := operatorAccount()
	r.path, r.args = s.options.operator, []string{"--leader-elect", "--leader-election-namespace=" + systemNamespace}
	if slices.Contains(schedule.Verifiers(), target) {
		account = verifierAccount()
		address, err := plane.FreeAddress()
		if err != nil {
			return err
		}
		r.path, r.args = s.options.verifier, []string{"--grpc-bind-address=0", "--http-bind-address=" + address, "--drain-delay=0s"}
		s.addAsker(target, address)
	}

	return r.connect(s.cluster, account, probes)
}

// addAsker prepares to ask a verifier.
func (s *soak) addAsker(target schedule.Target, address string) {
	question := url.URL{
		Scheme: "http", Host: address, Path: "/verify", RawQuery: url.Values{"environment": {string(v1alpha1.EnvironmentProduction)}}.Encode(),
	}
	s.askers[target] = &asker{
		target: target, url: question.String(), vault: s.vault, oracle: s.oracle, tally: s.tally,
		client: &http.Client{Timeout: askTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: askers}},
	}
}

// connect adds the arguments of every program.
func (r *replica) connect(c *cluster, account guardrails.ServiceAccount, probes string) error {
	kubeconfig, err := r.relay.Kubeconfig(c.plane, account.Username(), groups()...)
	if err != nil {
		return err
	}
	r.args = append(r.args, "--kubeconfig="+kubeconfig, "--metrics-bind-address=0", "--health-probe-bind-address="+probes)

	return nil
}

// run starts the programs, lets everything happen, and checks what has to hold in the end.
func (s *soak) run(ctx context.Context) error {
	if err := s.startPrograms(ctx); err != nil {
		return err
	}
	watching, endWatches := context.WithCancel(ctx)
	var background sync.WaitGroup
	defer background.Wait()
	defer endWatches()
	for _, follow := range []func(context.Context){
		func(ctx context.Context) {
			s.observer.follow(ctx, func() client.ObjectList { return &v1alpha1.APIKeyList{} }, s.observer.seeAPIKey)
		},
		func(ctx context.Context) {
			s.observer.follow(ctx, func() client.ObjectList { return &corev1.SecretList{} }, s.observer.seeSecret)
		},
		s.watchTime, s.report,
	} {
		background.Go(func() { follow(watching) })
	}
	for _, a := range s.askers {
		for range askers {
			background.Go(func() { a.run(watching) })
		}
	}
	s.began = time.Now()
	if err := s.churn(ctx); err != nil {
		return err
	}

	return s.calm(ctx)
}

// startPrograms starts operators and verifiers, and waits until they are ready.
func (s *soak) startPrograms(ctx context.Context) error {
	s.log.Printf("starting two operators and two verifiers")
	running, end := context.WithCancel(ctx)
	s.endPrograms = end
	s.supervisors, running = errgroup.WithContext(running)
	for _, r := range s.replicas {
		s.supervisors.Go(func() error { return r.supervise(running) })
	}
	limited, cancel := context.WithTimeoutCause(running, startTimeout, fmt.Errorf("the programs were not ready after %s", startTimeout))
	defer cancel()
	for _, r := range s.replicas {
		for !r.isReady() {
			if !pause(limited, readyPoll) {
				return context.Cause(limited)
			}
		}
	}

	return nil
}

// churn carries out the operations and makes the faults happen.
func (s *soak) churn(ctx context.Context) error {
	operations := map[int][]schedule.Operation{}
	for _, op := range s.schedule.Operations {
		operations[op.Slot] = append(operations[op.Slot], op)
	}
	all, working := errgroup.WithContext(ctx)
	for slot, list := range operations {
		all.Go(func() error { return (&user{soak: s, name: fmt.Sprintf("key-%03d", slot)}).run(working, list) })
	}
	all.Go(func() error { return s.driveFaults(working) })

	return all.Wait()
}

// watchTime notices standstills of the machine and requests that are overdue.
func (s *soak) watchTime(ctx context.Context) {
	for last := time.Now(); pause(ctx, heartbeat); {
		now := time.Now()
		if now.Sub(last) > starvation {
			s.log.Printf("the machine stood still for %s", now.Sub(last).Round(time.Millisecond))
			s.oracle.Starved(now)
			s.tally.standstills()
		}
		s.oracle.CheckOverdue(now)
		last = now
	}
}

// stop ends everything and removes all files.
func (s *soak) stop() error {
	s.endPrograms()
	var err error
	if s.supervisors != nil {
		err = s.supervisors.Wait()
	}
	for _, r := range s.replicas {
		_ = r.relay.Close()
	}
	s.log.Printf("stopping etcd and kube-apiserver")

	return errors.Join(err, s.cluster.plane.StopHurried(s.hurry))
}
