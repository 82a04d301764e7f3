// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
)

// TestALateWriteOfAnEnd lets the API server carry out a status write two minutes after it was sent, when the recorded end of the key has
// passed. The write moves that end.
func TestALateWriteOfAnEnd(t *testing.T) {
	cases := map[string]struct {
		meanwhile func(*world)
		want      access.Reason
	}{
		"the user moved the end in time: the key works again": {
			func(*world) {}, access.Allowed,
		},
		"the operator has recorded the end meanwhile: the write is refused": {
			func(w *world) { w.restart(0, 0); w.settle(w.operators[0], w.now) }, access.Expired,
		},
		"the user changes the APIKey after the end: the write is refused": {
			func(w *world) { w.users.rename(w, names[0]) }, access.Expired,
		},
		"the user moves the end once more, after it: the write is refused": {
			func(w *world) { w.users.setExpiry(w, names[0], "3h") }, access.Expired,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newScript(t)
			w.users.setExpiry(w, names[0], "1m")
			p := w.beginPass(t)
			w.answerNext(t, p, readSecret, succeed)
			w.answerNext(t, p, writeStatus, succeed)
			w.answerNext(t, p, createSecret, crashAfter)
			w.users.setExpiry(w, names[0], "2h")
			w.catchUpAll()
			p = w.beginPass(t)
			w.answerNext(t, p, readSecret, succeed)
			w.answerNext(t, p, writeStatus, delay)
			w.oracle.check()
			w.now = w.now.Add(2 * time.Minute)
			w.oracle.check()
			if got := w.oracle.verdict(w.oracle.drawn[0].digest); got != access.Expired {
				t.Fatalf("before the write the verifier says %s", got)
			}
			c.meanwhile(w)
			w.land()
			if got := w.oracle.verdict(w.oracle.drawn[0].digest); got != c.want {
				t.Errorf("after the write the verifier says %s, not %s", got, c.want)
			}
			w.calm()
			if w.oracle.violation != nil {
				t.Error(w.oracle.violation)
			}
			apikey, err := w.server.APIKeys.Get(names[0])
			if err != nil || (apikey.Status.Phase == v1alpha1.PhaseExpired) != (c.want == access.Expired) {
				t.Errorf("%v, the phase is %s", err, apikey.Status.Phase)
			}
		})
	}
}

// newScript returns a world for a history that a test makes step by step, with one operator and one APIKey.
func newScript(t *testing.T) *world {
	t.Helper()
	runner, err := NewRunner()
	if err != nil {
		t.Fatal(err)
	}
	w := runner.newWorld(0, &chooser{}, func(line string) { t.Log(line) })
	t.Cleanup(func() { runner.clear(w) })
	w.setUp()
	w.catchUpAll()

	return w
}

// catchUpAll lets the watches of all operators deliver everything.
func (w *world) catchUpAll() {
	for _, o := range w.operators {
		for o.apikeys.behind() > 0 {
			o.apikeys.deliver()
		}
		for o.secrets.behind() > 0 {
			o.secrets.deliver()
		}
	}
}

// beginPass begins a pass of the first operator for what is in its queue.
func (w *world) beginPass(t *testing.T) *pass {
	t.Helper()
	w.catchUpAll()
	items := w.operators[0].queue.items()
	if len(items) == 0 {
		t.Fatal("the queue is empty")
	}

	return w.operators[0].begin(items[0])
}

// answerNext answers the call that a pass waits for, which must be of a kind.
func (w *world) answerNext(t *testing.T, p *pass, want verb, f fate) {
	t.Helper()
	if p.call == nil || p.call.verb != want {
		t.Fatalf("the pass does not wait for %q: %+v", want, p.call)
	}
	w.answer(w.operators[0], p, f)
}
