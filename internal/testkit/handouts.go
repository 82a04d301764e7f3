// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Handouts are all keys that were ever handed out: every value that a Secret of our type has held, in order.
type Handouts struct {
	client  client.Client
	mu      sync.Mutex
	changed chan struct{}
	seen    uint64
	values  map[client.ObjectKey][]string
}

// WatchHandouts notes from now on what Secrets of our type hold, until the context ends.
func (c *ControlPlane) WatchHandouts(ctx context.Context) (*Handouts, error) {
	cl, err := client.NewWithWatch(c.Config, client.Options{Scheme: Scheme()})
	if err != nil {
		return nil, err
	}
	// Of every type: other Secrets carry the watch past a version that is waited for.
	w, err := cl.Watch(ctx, &corev1.SecretList{})
	if err != nil {
		return nil, fmt.Errorf("watch Secrets: %w", err)
	}
	h := &Handouts{client: cl, changed: make(chan struct{}), values: map[client.ObjectKey][]string{}}
	go func() {
		defer w.Stop()
		for e := range w.ResultChan() {
			h.note(e)
		}
	}()

	return h, nil
}

func (h *Handouts) note(e watch.Event) {
	secret, ok := e.Object.(*corev1.Secret)
	if !ok {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	version, _ := strconv.ParseUint(secret.ResourceVersion, 10, 64)
	h.seen = max(h.seen, version)
	close(h.changed)
	h.changed = make(chan struct{})
	if secret.Type != v1alpha1.SecretType || e.Type == watch.Deleted {
		return
	}
	name := client.ObjectKeyFromObject(secret)
	for _, value := range secret.Data {
		if text := string(value); !slices.Contains(h.values[name], text) {
			h.values[name] = append(h.values[name], text)
		}
	}
}

// Of returns the values that a Secret has held so far, in order.
func (h *Handouts) Of(ctx context.Context, name client.ObjectKey) ([]string, error) {
	if err := h.catchUp(ctx); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()

	return slices.Clone(h.values[name]), nil
}

// All returns the values of all Secrets so far.
func (h *Handouts) All(ctx context.Context) ([]string, error) {
	if err := h.catchUp(ctx); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []string
	for _, values := range h.values {
		all = append(all, values...)
	}

	return all, nil
}

// catchUp waits until the watch has delivered everything up to now: up to a Secret that is made for the purpose.
func (h *Handouts) catchUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, errors.New("the watch of Secrets does not catch up"))
	defer cancel()
	mark := &corev1.Secret{}
	mark.GenerateName, mark.Namespace = "mark-", "default"
	if err := h.client.Create(ctx, mark); err != nil {
		return err
	}
	defer func() { _ = h.client.Delete(context.WithoutCancel(ctx), mark) }()
	version, err := strconv.ParseUint(mark.ResourceVersion, 10, 64)
	if err != nil {
		return err
	}
	for {
		h.mu.Lock()
		seen, changed := h.seen, h.changed
		h.mu.Unlock()
		if seen >= version {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
