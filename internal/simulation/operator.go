// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"context"
	"iter"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	corev1 "k8s.io/api/core/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/controller"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// operator is one process of the operator. After a crash another one takes its place, which remembers nothing.
type operator struct {
	world      *world
	place      int
	reconciler *controller.Reconciler
	queue      *queue
	apikeys    view[*v1alpha1.APIKey]
	secrets    view[*corev1.Secret]
	passes     []*pass
	// written is the version of the last status that this process has written, which reads of APIKeys wait for.
	written uint64
	// calls counts the calls to the API server.
	calls, writes int
}

// pass is one run of Reconcile. It stands still at each call to the API server until a step lets the call happen.
type pass struct {
	operator *operator
	request  reconcile.Request
	call     *call
	// resume lets the pass run to its next call. It returns false at the end.
	resume func() (*call, bool)
	stop   func()
	result reconcile.Result
	err    error
	// began is the number of changes of Secrets when the pass read the Secret.
	began int
	// seen is the APIKey as the cache had it.
	seen *v1alpha1.APIKey
	// drawn are the digests of the keys that the pass has drawn.
	drawn []string
	dead  bool
	// confirmed says that the API server has accepted a status write of the pass, or refused it for a reason other than an older version.
	confirmed bool
	// started is when the pass began, and clock what the operator's clock said.
	started, clock time.Time
	// deadline is when the time for the work of the pass is over, or that for its report once failed says that a call has failed.
	deadline time.Time
	failed   bool
}

// workTime is the longest time that a pass takes for its work, and reportTime that for the report of a failure: see conclude.go in
// internal/controller. Then the pass gives up, and what it has sent may still be carried out.
const (
	workTime   = 35 * time.Second
	reportTime = 10 * time.Second
)

// newOperator starts a process whose caches are lag changes behind.
func newOperator(w *world, place, lag int) *operator {
	o := &operator{world: w, place: place}
	failures := controller.NewFailures()
	failures.Random = w.nonces.random.Float64
	o.queue = newQueue(w.Now, failures)
	o.reconciler = &controller.Reconciler{
		APIKeys: apikeyClient{operator: o}, Metadata: metadataReader{operator: o}, Secrets: secretClient{operator: o}, Policies: noPolicies{},
		Watched: controller.NewHighWaterMark(), Keys: keys.Generator{Random: w.nonces}, Clock: o, Failures: failures,
		Conflicts: controller.NewConflicts(nil), Ledger: controller.NewLedger(), Digests: controller.NewDigestIndex(), Reporter: w.reporter,
	}
	o.apikeys = view[*v1alpha1.APIKey]{
		source: &w.server.APIKeys, selects: watchedAPIKey, queue: o.queue, handler: o.reconciler.APIKeyHandler(nil),
		strip: func(k *v1alpha1.APIKey) client.Object { return w.strip.apikey(k.DeepCopy()) },
	}
	o.secrets = view[*corev1.Secret]{
		source: &w.server.Secrets, selects: watchedSecret, queue: o.queue, handler: o.reconciler.SecretHandler(nil),
		strip: func(s *corev1.Secret) client.Object { return w.strip.secret(metadataOf(s)) },
	}
	o.apikeys.start(lag)
	o.secrets.start(lag)

	return o
}

// Now implements clock.PassiveClock: the clock of the machine may be wrong.
func (o *operator) Now() time.Time { return o.world.now.Add(o.world.skews[o.place]) }

// Since implements clock.PassiveClock.
func (o *operator) Since(t time.Time) time.Duration { return o.Now().Sub(t) }

// begin starts a pass and lets it run to its first call. It returns nil if the pass made none.
func (o *operator) begin(request reconcile.Request) *pass {
	o.queue.take(request)
	now := o.world.now
	p := &pass{operator: o, request: request, began: len(o.world.server.Secrets.Log()), started: now, clock: o.Now(), deadline: now.Add(workTime)}
	p.resume, p.stop = iter.Pull(func(yield func(*call) bool) {
		p.result, p.err = o.reconciler.Reconcile(context.WithValue(o.world.ctx, passKey{}, passContext{p, yield}), request)
	})
	o.passes = append(o.passes, p)
	o.advance(p)

	return p
}

// advance lets a pass run to its next call, or to its end.
func (o *operator) advance(p *pass) {
	o.world.running = p
	call, more := p.resume()
	o.world.running = nil
	if more {
		p.call = call
		call.sent = o.world.now

		return
	}
	p.call = nil
	o.passes = without(o.passes, p)
	if !p.dead {
		o.queue.finish(p.request, p.result, p.err)
	}
}

// die ends the process: its passes make no further call.
func (o *operator) die() {
	for _, p := range o.passes {
		p.dead = true
	}
	for len(o.passes) > 0 {
		p := o.passes[0]
		p.stop()
		o.passes = without(o.passes, p)
	}
}

// catchUp delivers changes of APIKeys until the last status that this process has written is delivered.
func (o *operator) catchUp() {
	for o.apikeys.behind() > 0 && !o.apikeys.seen(o.written) {
		o.apikeys.deliver()
	}
}

// discard is a logger without output.
func discard() context.Context { return logr.NewContext(context.Background(), logr.Discard()) }
