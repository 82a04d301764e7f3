// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/hack/soak/oracle"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

const (
	// settleLimit is how long after the last fault every APIKey has to be as declared, and garbage collection has to be done.
	settleLimit = 3 * time.Minute
	// verifiersKnow is longer than what a verifier needs to learn a fact.
	verifiersKnow = 17 * time.Second
	// margin is how long asking about all keys may take.
	margin = 20 * time.Second
	// finalAttempts is how often a verifier is asked in the end until it answers.
	finalAttempts = 10
)

// calm waits until everything is as declared, and checks that nothing is lost.
func (s *soak) calm(ctx context.Context) error {
	s.took = time.Since(s.began)
	s.log.Printf("all faults are over: waiting until everything is as declared")
	deadline := time.Now().Add(settleLimit)
	for time.Now().Before(deadline) && (len(s.oracle.Unsettled()) > 0 || s.notReady()) {
		if !pause(ctx, heartbeat) {
			return context.Cause(ctx)
		}
	}
	for _, why := range s.oracle.Unsettled() {
		s.oracle.Report(time.Now(), oracle.Lost, "%s after %s without faults", why, settleLimit)
	}
	if err := s.checkSecrets(ctx, deadline); err != nil {
		return err
	}
	if !pause(ctx, verifiersKnow) {
		return context.Cause(ctx)
	}
	if err := s.askAboutAll(ctx); err != nil {
		return err
	}

	return s.checkLogs()
}

func (s *soak) notReady() bool {
	for _, r := range s.replicas {
		if !r.isReady() {
			return true
		}
	}

	return false
}

// checkSecrets waits until every Secret belongs to a living APIKey.
func (s *soak) checkSecrets(ctx context.Context, deadline time.Time) error {
	for {
		orphans, err := s.orphans(ctx)
		switch {
		case err != nil:
			return err
		case len(orphans) == 0:
			return nil
		case time.Now().After(deadline):
			s.oracle.Report(time.Now(), oracle.Orphaned, "left over: %s", strings.Join(orphans, ", "))

			return nil
		case !pause(ctx, heartbeat):
			return context.Cause(ctx)
		}
	}
}

// orphans returns the names of the Secrets of APIKeys that have ended or are gone.
func (s *soak) orphans(ctx context.Context) (names []string, err error) {
	var secrets corev1.SecretList
	if err := s.cluster.admin.List(ctx, &secrets, client.InNamespace(soakNamespace)); err != nil {
		return nil, fmt.Errorf("list the Secrets in the end: %w", err)
	}
	for i := range secrets.Items {
		secret := &secrets.Items[i]
		if secret.Type != v1alpha1.SecretType {
			continue
		}
		if owner := metav1.GetControllerOf(secret); owner == nil || !s.oracle.MayHaveSecret(owner.UID) {
			names = append(names, secret.Name)
		}
	}

	return names, nil
}

// askAboutAll asks every verifier about every key.
func (s *soak) askAboutAll(ctx context.Context) error {
	expected := s.oracle.Expected(time.Now(), margin)
	s.log.Printf("asking about %d keys", len(expected))
	for _, target := range slices.Sorted(maps.Keys(s.askers)) {
		a := s.askers[target]
		for _, e := range expected {
			var answer oracle.Answer
			var err error
			for range finalAttempts {
				if answer, err = a.ask(ctx, e.Digest, s.vault.text(e.Digest)); err == nil || !pause(ctx, heartbeat) {
					break
				}
			}
			if err != nil {
				return fmt.Errorf("ask %s in the end: %w", target, err)
			}
			s.oracle.CheckFinal(e, answer)
			s.tally.answered(target, answer.Sent, answer.Received, true)
		}
	}

	return nil
}

// checkLogs searches the logs of operators and verifiers for keys.
func (s *soak) checkLogs() error {
	for target := range s.replicas {
		logs, err := filepath.Glob(filepath.Join(s.cluster.plane.Folder(), string(target)+".*.log"))
		if err != nil {
			return err
		}
		for _, log := range logs {
			text, err := os.ReadFile(log) //nolint:gosec // a file that was made here
			if err != nil {
				return err
			}
			for _, found := range keyShape().FindAll(text, -1) {
				if key, err := keys.Parse(string(found)); err == nil {
					s.oracle.Report(time.Now(), oracle.Printed, "a log of %s has the key %s", target, key.Digest().ID())
				}
			}
		}
	}

	return nil
}
