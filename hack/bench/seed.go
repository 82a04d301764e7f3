// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

const (
	// maxSeeds is how many names of the same length there are.
	maxSeeds = 1_000_000
	// seedWorkers is how many writes to etcd are under way at once.
	seedWorkers = 32
	// seedProgress is after how many keys a line is printed.
	seedProgress = 10_000
)

// A mold is an APIKey that the operator has minted, as etcd stores it, and its Secret. Copies differ in what makes each key its own.
//
// Minting 100,000 keys takes an hour of two cores. Writing copies into etcd takes minutes, and each copy has the fields that the operator
// and the API server wrote: the operator has nothing to correct, which bench scale checks.
type mold struct {
	apikey, secret string
	// name, uid, secretUID, digest, text and index are of the minted key; version is the resourceVersion of its Secret in the status.
	name, uid, secretUID, digest, text, index, version string
}

// A casting is what differs between the copies of a mold. All but version have the length of the mold's: the Secret is stored as protobuf,
// in which lengths precede strings.
type casting struct{ name, uid, secretUID, digest, text, index string }

// newCasting draws a key of its own for the copy with an index.
func newCasting(i int) (casting, error) {
	drawn, err := keys.Generator{}.New(v1alpha1.EnvironmentProduction)
	if err != nil {
		return casting{}, err
	}

	return casting{
		name: keyName(i), index: keyIndex(i), uid: string(uuid.NewUUID()), secretUID: string(uuid.NewUUID()),
		digest: drawn.Digest().String(), text: drawn.Reveal(),
	}, nil
}

// replacer returns what turns a mold into a copy. The digest precedes the id, which is its beginning.
func (m *mold) replacer(c casting, version string) *strings.Replacer {
	return strings.NewReplacer(
		m.text, c.text, m.digest, c.digest, m.digest[:keys.IDLength], c.digest[:keys.IDLength],
		m.name, c.name, m.uid, c.uid, m.secretUID, c.secretUID, displayName+m.index, displayName+c.index,
		`"resourceVersion":"`+m.version+`"`, `"resourceVersion":"`+version+`"`,
	)
}

// stored is how much etcd stores of seeds, in bytes.
type stored struct{ apikeys, secrets atomic.Int64 }

// seeds say which keys a cluster is given.
type seeds struct {
	keys int
	// operator is the user that mints the keys of which the others are copies.
	operator account
	// secrets says whether the keys have Secrets. Verifiers need none: then there is no plaintext but in this process.
	secrets bool
	// limited says which keys have a rate limit: every so many.
	limited int
}

// seedKeys gives the cluster settled APIKeys with the role of all, and returns the keys in plaintext.
func (c *cluster) seedKeys(ctx context.Context, s seeds) (texts []string, size *stored, err error) {
	n := s.keys
	ctx, cancel := withTimeout(ctx, mintTimeout(n), "giving the cluster keys")
	defer cancel()
	p, err := c.newPopulation(ctx, keysNamespace, createWorkers)
	if err != nil {
		return nil, nil, err
	}
	if err := c.client.Create(ctx, newRole()); err != nil {
		return nil, nil, fmt.Errorf("create role %s: %w", roleName, err)
	}
	store := newEtcd(c.plane.EtcdURL(), seedWorkers)
	defer store.close()
	molds, err := c.mintMolds(ctx, p, s.operator, store)
	if err != nil {
		return nil, nil, fmt.Errorf("let the operator mint keys to copy: %w", err)
	}
	texts, size = make([]string, n), &stored{}
	began := time.Now()
	err = inParallel(ctx, seedWorkers, n, func(ctx context.Context, i int) (err error) {
		if i > 0 && i%seedProgress == 0 {
			c.log.Printf("  %d of %d APIKeys, %.0f a second", i, n, float64(i)/time.Since(began).Seconds())
		}
		texts[i], err = p.seed(ctx, store, molds[min(i%s.limited, 1)], i, s.secrets, size)

		return err
	})
	if err == nil {
		err = p.awaitSeeds(ctx, n)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("write %d APIKeys: %w", n, err)
	}
	c.log.Printf("wrote %d settled APIKeys, %.0f a second", n, float64(n)/time.Since(began).Seconds())

	return texts, size, nil
}

// mintMolds lets the operator mint a key with a rate limit and one without, reads what etcd stores of them, and removes them.
func (c *cluster) mintMolds(ctx context.Context, p *population, operator account, store *etcd) (molds []*mold, err error) {
	active, err := p.watchPhase(ctx, v1alpha1.PhaseActive, 2, nil)
	if err != nil {
		return nil, err
	}
	defer active.stop()
	created := []*v1alpha1.APIKey{p.newKey(0), p.newKey(1)}
	for i, key := range created {
		shape(key, i == 0)
		if err := c.client.Create(ctx, key); err != nil {
			return nil, err
		}
	}
	stop, err := c.plane.RunOperatorAs(ctx, operator.name, operator.groups...)
	if err != nil {
		return nil, err
	}
	_, err = active.wait(ctx)
	if err := errors.Join(err, stop()); err != nil {
		return nil, err
	}
	for i, key := range created {
		m, err := p.readMold(ctx, store, key, i)
		if err != nil {
			return nil, err
		}
		molds = append(molds, m)
	}

	return molds, p.remove(ctx)
}

// readMold reads a minted key from the API server and from etcd.
func (p *population) readMold(ctx context.Context, store *etcd, key *v1alpha1.APIKey, i int) (*mold, error) {
	name, secret := client.ObjectKeyFromObject(key), &corev1.Secret{}
	if err := errors.Join(p.cluster.client.Get(ctx, name, key), p.cluster.client.Get(ctx, name, secret)); err != nil {
		return nil, err
	}
	apikey, err := store.get(ctx, storedAPIKeys+name.String())
	if err != nil {
		return nil, err
	}
	content, err := store.get(ctx, storedSecrets+name.String())
	if err != nil {
		return nil, err
	}

	return &mold{
		apikey: string(apikey), secret: string(content), name: key.Name, index: keyIndex(i), uid: string(key.UID), secretUID: string(secret.UID),
		digest: key.Status.Keys[0].Digest, text: string(secret.Data[v1alpha1.SecretKeyDefault]), version: secret.ResourceVersion,
	}, nil
}

// seed writes one APIKey, and before it the Secret, whose version its status names. It returns the key in plaintext.
func (p *population) seed(ctx context.Context, store *etcd, m *mold, i int, withSecret bool, size *stored) (text string, err error) {
	c, err := newCasting(i)
	if err != nil {
		return "", err
	}
	version, name := m.version, p.namespace+"/"+c.name
	if withSecret {
		content := m.replacer(c, "").Replace(m.secret)
		if version, err = store.put(ctx, storedSecrets+name, []byte(content)); err != nil {
			return "", err
		}
		size.secrets.Add(int64(len(content)))
	}
	content := m.replacer(c, version).Replace(m.apikey)
	size.apikeys.Add(int64(len(content)))
	_, err = store.put(ctx, storedAPIKeys+name, []byte(content))

	return c.text, err
}

// awaitSeeds waits until the API server has seen all seeds, which it learns as it learns what other API servers write.
func (p *population) awaitSeeds(ctx context.Context, n int) error {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("APIKeyList"))
	for {
		if err := p.cluster.client.List(ctx, list, client.InNamespace(p.namespace), client.Limit(1)); err != nil {
			return err
		}
		seen := len(list.Items)
		if list.RemainingItemCount != nil {
			seen += int(*list.RemainingItemCount)
		}
		if seen == n {
			return nil
		}
		if err := pause(ctx, quietPoll); err != nil {
			return fmt.Errorf("the API server knows %d of %d APIKeys: %w", seen, n, err)
		}
	}
}
