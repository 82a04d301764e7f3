// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/util/uuid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

const (
	// stockNamespace is where the APIKeys of bench verify are.
	stockNamespace = "integrations"
	// stockWorkers is how many requests are under way at once that fill the cluster.
	stockWorkers = 4
	// samples is how many of the APIKeys are read and changed through the API.
	samples = 20
)

// stockCluster gives the cluster its keys. Four calls for each of 100,000 would take longer than all measurements; so the
// operator mints two, one of them with a rate limit, and all are written into etcd as the API server has stored those.
func (b *verifyBench) stockCluster(ctx context.Context) error {
	n := b.options.keys
	ctx, cancel := withTimeout(ctx, mintTimeout(n), "giving the cluster keys")
	defer cancel()
	var err error
	if b.keys, err = drawKeys(n); err != nil {
		return err
	}
	p, err := b.newPopulation(ctx, stockNamespace, stockWorkers)
	if err != nil {
		return err
	}
	if err := b.client.Create(ctx, newRole()); err != nil {
		return fmt.Errorf("create role %s: %w", roleName, err)
	}
	b.log.printf("the operator mints 2 keys, as a mould for others")
	moulds, err := b.mintMoulds(ctx, p)
	if err != nil {
		return err
	}
	b.log.printf("writing %d APIKeys into etcd", n)
	if err := b.writeStock(ctx, p, moulds); err != nil {
		return err
	}

	return b.checkStock(ctx, p)
}

// mintMoulds lets an operator mint the first two keys, and returns what is then stored of them: the first has a rate limit,
// the second has none. Both are removed.
func (b *verifyBench) mintMoulds(ctx context.Context, p *population) (moulds [2]*storedKey, err error) {
	minted := [len(moulds)]*v1alpha1.APIKey{}
	active, err := p.watchPhase(ctx, v1alpha1.PhaseActive, len(minted), nil)
	if err != nil {
		return moulds, err
	}
	defer active.stop()
	for i := range minted {
		minted[i] = p.newKey(i)
		shape(minted[i], i)
		if err := b.client.Create(ctx, minted[i]); err != nil {
			return moulds, err
		}
	}
	stop, err := b.plane.RunOperator(ctx)
	if err != nil {
		return moulds, err
	}
	_, err = active.wait(ctx)
	if err := errors.Join(err, stop()); err != nil {
		return moulds, err
	}
	for i, key := range minted {
		data, err := b.etcd().get(ctx, stockPath(key))
		if err != nil {
			return moulds, err
		}
		if moulds[i], err = parseStored(data); err != nil {
			return moulds, err
		}
	}

	return moulds, p.remove(ctx)
}

func (b *verifyBench) etcd() etcd { return etcd{b.plane.EtcdURL()} }

// stockPath is where the API server stores an APIKey.
func stockPath(key *v1alpha1.APIKey) string {
	return "/registry/" + v1alpha1.GroupName + "/apikeys/" + key.Namespace + "/" + key.Name
}

// writeStock writes all keys.
func (b *verifyBench) writeStock(ctx context.Context, p *population, moulds [2]*storedKey) error {
	n := len(b.keys.digests)

	return inParallel(ctx, p.workers, (n+maxPuts-1)/maxPuts, func(ctx context.Context, batch int) error {
		var pairs []keyValue
		for i := batch * maxPuts; i < min(n, (batch+1)*maxPuts); i++ {
			mould := moulds[1]
			if i%limitedEach == 0 {
				mould = moulds[0]
			}
			key := p.newKey(i)
			value := mould.fill(key, uuid.NewUUID(), uuid.NewUUID(), b.keys.digests[i])
			pairs = append(pairs, keyValue{Key: []byte(stockPath(key)), Value: value})
		}

		return b.etcd().put(ctx, pairs)
	})
}

// checkStock reads and changes some of the keys through the API, to see that they are what the API server would have stored.
func (b *verifyBench) checkStock(ctx context.Context, p *population) error {
	n := len(b.keys.digests)
	count := min(samples, n)
	for sample := range count {
		i := (sample*n/count + sample) % n // from first to last, with a rate limit and without
		key := p.newKey(i)
		if err := b.client.Get(ctx, client.ObjectKeyFromObject(key), key); err != nil {
			return fmt.Errorf("read what was written into etcd: %w", err)
		}
		if key.Status.Phase != v1alpha1.PhaseActive || len(key.Status.Keys) != 1 || key.Status.Keys[0].Digest != b.keys.digests[i].String() ||
			(key.Spec.RateLimit != nil) != (i%limitedEach == 0) {
			return fmt.Errorf("%s/%s is not what was written into etcd", key.Namespace, key.Name)
		}
		key.Spec.DisplayName += " (renamed)"
		if err := b.client.Update(ctx, key); err != nil {
			return fmt.Errorf("change what was written into etcd: %w", err)
		}
		key.Status.ObservedGeneration = key.Generation
		if err := b.client.Status().Update(ctx, key); err != nil {
			return fmt.Errorf("change the status of what was written into etcd: %w", err)
		}
	}

	return nil
}
