// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"log/slog"
	"math/rand/v2"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/controller"
	"github.com/apikey-operator/apikey-operator/internal/keyindex"
	"github.com/apikey-operator/apikey-operator/internal/simulation/apimodel"
)

// shortest and longest are the numbers of steps of the shortest and of the longest history.
const (
	shortest = 10
	longest  = 120
)

// Runner runs histories, one at a time.
type Runner struct {
	scheme *runtime.Scheme
	strip  strippers
	index  *keyindex.Index
}

// NewRunner returns a Runner.
func NewRunner() (*Runner, error) {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, err
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	index, err := keyindex.New(keyindex.Options{
		Log: slog.New(slog.DiscardHandler), Clock: clock.RealClock{}, Registerer: prometheus.NewRegistry(),
	})

	return &Runner{scheme: scheme, strip: newStrippers(), index: index}, err
}

// Run runs the history of a seed and returns the first violation, or nil.
func (r *Runner) Run(seed uint64) *Violation {
	return r.run(seed, &chooser{random: rand.New(rand.NewPCG(seed, 0))}, nil) //nolint:gosec // G404: a history is to be repeated
}

// Record runs the history of a seed and returns its choices.
func (r *Runner) Record(seed uint64) (steps []Step, found *Violation) {
	c := &chooser{random: rand.New(rand.NewPCG(seed, 0)), record: true} //nolint:gosec // G404: a history is to be repeated
	found = r.run(seed, c, nil)

	return c.steps, found
}

// Replay runs a history with recorded choices, and calls trace with a line for each effect.
func (r *Runner) Replay(seed uint64, steps []Step, trace func(string)) *Violation {
	return r.run(seed, &chooser{steps: steps}, trace)
}

// Requests runs the history of a seed and returns the writes that reached the API server, in order.
func (r *Runner) Requests(seed uint64) []apimodel.Request {
	var requests []apimodel.Request
	c := &chooser{random: rand.New(rand.NewPCG(seed, 0))} //nolint:gosec // G404: a history is to be repeated
	w := r.newWorld(seed, c, nil)
	defer r.clear(w)
	w.server.Requested = func(request apimodel.Request) { requests = append(requests, request) }
	w.play()

	return requests
}

func (r *Runner) run(seed uint64, c *chooser, trace func(string)) *Violation {
	w := r.newWorld(seed, c, trace)
	defer r.clear(w)
	w.play()

	return w.oracle.violation
}

// play makes all steps of a history, until an invariant breaks.
func (w *world) play() {
	w.begin(0)
	w.setUp()
	steps := len(w.steps) - 2
	if w.random != nil {
		steps = shortest + int(w.random.Uint32N(longest-shortest))
	}
	for i := range steps {
		w.begin(i + 1)
		w.step()
		if w.oracle.violation != nil {
			break
		}
	}
	w.begin(steps + 1) // also after a violation: a replay takes the last step for the calm
	if w.oracle.violation == nil {
		w.calm()
	}
}

func (r *Runner) newWorld(seed uint64, c *chooser, trace func(string)) *world {
	w := &world{chooser: c, ctx: discard(), scheme: r.scheme, strip: r.strip, trace: trace}
	w.now = start()
	w.server = apimodel.New(w)
	w.oracle = newOracle(w, r.index)
	w.nonces = &nonces{random: rand.New(rand.NewPCG(seed, 1)), drawn: w.oracle.drew} //nolint:gosec // G404: a history is to be repeated
	w.reporter, _ = controller.NewReporter(recorder{w.oracle}, noRegisterer{})       // its registerer accepts everything

	return w
}

// clear ends the processes of a history and empties the index for the next one.
func (r *Runner) clear(w *world) {
	for _, o := range w.operators {
		o.die()
	}
	for _, name := range w.server.APIKeys.Names() {
		if apikey, err := w.server.APIKeys.Get(name); err == nil {
			_ = w.oracle.apikeys.Delete(apikey) // a store in memory
		}
	}
}

// recorder checks events for plaintext.
type recorder struct{ oracle *oracle }

// Eventf implements controller.EventRecorder.
func (r recorder) Eventf(_, _ runtime.Object, _, reason, _, note string, args ...any) {
	r.oracle.noPlaintext("an event "+reason, note)
	for _, arg := range args {
		if text, ok := arg.(string); ok {
			r.oracle.noPlaintext("an event "+reason, text)
		}
	}
}

// noRegisterer accepts all metrics and keeps none.
type noRegisterer struct{ prometheus.Registerer }

// Register implements prometheus.Registerer.
func (noRegisterer) Register(prometheus.Collector) error { return nil }

// strippers are what the cache of the operator keeps of objects.
type strippers struct {
	apikey func(*v1alpha1.APIKey) client.Object
	secret func(*metav1.PartialObjectMetadata) client.Object
}
