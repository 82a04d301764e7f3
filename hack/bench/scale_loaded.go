// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// measureLoaded measures both programs at rest and at work. before is what the API server had done when the operator started.
func (b *scaleBench) measureLoaded(ctx context.Context, operator, verifier *program, before requests) error {
	if err := b.awaitRest(ctx, before); err != nil {
		return err
	}
	if err := b.reportRest(ctx, before); err != nil {
		return err
	}
	settled := map[*program]memory{}
	for _, p := range []*program{operator, verifier} {
		var err error
		if settled[p], err = p.memoryNow(ctx); err != nil {
			return err
		}
	}
	for _, measure := range []func(context.Context) error{b.timeKubectl, b.timeMints, func(ctx context.Context) error {
		return b.timeRevocations(ctx, verifier)
	}} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	for p, limit := range map[*program]int64{operator: b.operatorLimit, verifier: b.verifierLimit} {
		last, err := p.memoryNow(ctx)
		if err != nil {
			return err
		}
		b.reportLimit(p.Name, settled[p], last, limit)
	}
	b.explain()

	return nil
}

// awaitRest waits for as long as the options say, or until the operator has checked each Secret.
func (b *scaleBench) awaitRest(ctx context.Context, before requests) error {
	if b.options.rest > 0 {
		b.log.Printf("counting API calls for %s", b.options.rest)

		return pause(ctx, b.options.rest)
	}
	b.log.Printf("counting API calls until the operator has checked %d Secrets", b.options.keys)
	ctx, cancel := withTimeout(ctx, mintTimeout(b.options.keys), "checking each Secret")
	defer cancel()
	for {
		now, err := b.requests(ctx)
		if err != nil {
			return err
		}
		if now.calls.since(before.calls).count(onKeys, isGet) >= b.options.keys {
			_, err = b.quietRequests(ctx)

			return err
		}
		if err := pause(ctx, quietPoll); err != nil {
			return err
		}
	}
}

// memoryNow returns the program's memory.
func (p *program) memoryNow(ctx context.Context) (memory, error) {
	found, err := p.families(ctx)
	if err != nil {
		return memory{}, err
	}

	return p.memory(found)
}

// timeKubectl times the command that lists every key as a table, which kubectl asks for in chunks of 500.
func (b *scaleBench) timeKubectl(ctx context.Context) error {
	var took []float64
	for i := range b.options.get {
		b.log.Printf("kubectl get, %d of %d", i+1, b.options.get)
		began := time.Now()
		printed, err := b.kubectl(ctx, "get", "apikeys.apikey-operator.io", "--all-namespaces")
		if err != nil {
			return err
		}
		took = append(took, time.Since(began).Seconds())
		if rows := bytes.Count(printed, []byte("\n")) - 1; rows != b.options.keys {
			return fmt.Errorf("kubectl get printed %d keys, want %d", rows, b.options.keys)
		}
	}
	if len(took) > 0 {
		b.report.add(figure{
			Key: "kubectl.get", Name: "kubectl get apikeys -A", Value: median(took), Unit: "s", Note: "median of " + roundByRound(took),
		})
	}

	return nil
}

// timeMints creates keys one after the other, each when the one before is Active.
func (b *scaleBench) timeMints(ctx context.Context) error {
	n := b.options.mints
	if n == 0 {
		return nil
	}
	b.log.Printf("minting %d more keys, one after the other", n)
	ctx, cancel := withTimeout(ctx, mintTimeout(n), "minting one key after the other")
	defer cancel()
	p, err := b.newPopulation(ctx, "more", 1)
	if err != nil {
		return err
	}
	minted := make(chan string, n)
	active, err := p.watchPhase(ctx, v1alpha1.PhaseActive, n, func(key *v1alpha1.APIKey) {
		if key.Status.Phase == v1alpha1.PhaseActive {
			minted <- key.Name
		}
	})
	if err != nil {
		return err
	}
	defer active.stop()
	took := make([]float64, 0, n)
	for i := range n {
		began := time.Now()
		if err := b.client.Create(ctx, p.newKey(i)); err != nil {
			return err
		}
		if err := await(ctx, minted, keyName(i)); err != nil {
			return err
		}
		took = append(took, milliseconds(time.Since(began)))
	}
	b.reportTimes("mint", "mint, from the request that creates the APIKey to phase Active", took)

	return nil
}

// await waits until a channel delivers a name.
func await(ctx context.Context, from <-chan string, name string) error {
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", name, context.Cause(ctx))
		case got := <-from:
			if got == name {
				return nil
			}
		}
	}
}

// timeRevocations revokes keys one after the other, and asks the verifier until it refuses each.
func (b *scaleBench) timeRevocations(ctx context.Context, verifier *program) error {
	n := b.options.revokes
	if n == 0 {
		return nil
	}
	b.log.Printf("revoking %d keys, one after the other", n)
	connections, err := dial(verifier.addresses[grpcAddress], 1)
	if err != nil {
		return err
	}
	defer closeAll(connections)
	check, took := b.newChecker(connections[0]), make([]float64, 0, n)
	for i := range n {
		one, err := b.revoke(ctx, check, i)
		if err != nil {
			return fmt.Errorf("revoke key %d: %w", i, err)
		}
		took = append(took, milliseconds(one.delay))
	}
	b.reportTimes("revocation", "revocation, from the API server's answer to the first refusal", took)

	return nil
}
