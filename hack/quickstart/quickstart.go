// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

// quickstart starts everything, walks through the tour and stays up until ctx ends.
// It returns nil if every step held. Whatever happens, it ends what it started and removes every file; when hurry is closed, it
// kills what has not ended yet.
func quickstart(ctx context.Context, hurry <-chan struct{}, say narrator, exitAfterTour bool) (err error) {
	root, err := testkit.Root()
	if err != nil {
		return err
	}
	if err := checkPrograms(root); err != nil {
		return err
	}
	folder, err := temporaryFolder()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, leftover(os.RemoveAll(folder))) }()

	say.title("The life of an API key, on a Kubernetes API server of its own.")
	say.heading("Starting", "on loopback, with all files in "+folder)
	cluster, err := startCluster(ctx, say, root, folder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.stop(hurry)) }()

	operator, err := cluster.startOperator(ctx, say)
	if err != nil {
		return err
	}
	defer operator.Stop(hurry, programGrace)

	verifier, asked, err := cluster.startVerifier(ctx, say)
	if err != nil {
		return err
	}
	defer verifier.Stop(hurry, programGrace) // before the API server: its last act is to write what was used

	api, err := startDemo(ctx, say, asked)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, api.stop(ctx)) }()

	return show(ctx, say, &stage{cluster: cluster, operator: operator, verifier: verifier, api: api}, exitAfterTour)
}

// leftoverError says what could not be removed at the end.
type leftoverError struct{ error }

// leftover marks the error of a removal; nil stays nil.
func leftover(err error) error {
	if err == nil {
		return nil
	}

	return leftoverError{fmt.Errorf("remove what is left yourself: %w", err)}
}

// stage is all that the tour plays on.
type stage struct {
	cluster            *cluster
	operator, verifier *process.Program
	api                *demo
}

// show walks through the tour and stays up, for as long as the programs do.
func show(ctx context.Context, say narrator, s *stage, exitAfterTour bool) error {
	tourCtx, cancel := s.operator.WhileRunning(ctx)
	defer cancel()
	tourCtx, cancelVerifier := s.verifier.WhileRunning(tourCtx)
	defer cancelVerifier()
	if err := tour(tourCtx, say, s); err != nil {
		return s.explain(err)
	}
	if exitAfterTour {
		return nil
	}
	say.farewell(s)
	<-tourCtx.Done()
	if ctx.Err() != nil { // asked to end, after every step has held
		return nil
	}

	return s.explain(context.Cause(tourCtx))
}

// explain adds the end of the logs to an error.
func (s *stage) explain(err error) error { return s.verifier.Explain(s.operator.Explain(err)) }

// temporaryFolder makes the folder of all files and has every program that is started from here use it too,
// so that removing it removes what a program that failed to start has left.
func temporaryFolder() (string, error) {
	folder, err := os.MkdirTemp("", "apikey-quickstart-")
	if err != nil {
		return "", err
	}

	return folder, os.Setenv("TMPDIR", folder)
}

// checkPrograms says what is missing before anything is started.
func checkPrograms(root string) error {
	programs := []string{
		"bin/manager", "bin/verifier", "bin/k8s/etcd", "bin/k8s/kube-apiserver", "bin/k8s/kube-controller-manager", "bin/k8s/kubectl",
	}
	for _, program := range programs {
		if _, err := os.Stat(filepath.Join(root, program)); err != nil {
			return fmt.Errorf("%w: run `make quickstart`, which builds it", err)
		}
	}
	// bin/k8s is complete; a KUBEBUILDER_ASSETS of setup-envtest has no kube-controller-manager.
	return os.Setenv("KUBEBUILDER_ASSETS", filepath.Join(root, "bin", "k8s"))
}
