// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"bytes"
	"context"
	"log/slog"
	"syscall"
	"testing"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// answers is a lock that answers as a test says. The real one, against an API server that fails, is in the end-to-end tests.
type answers struct {
	resourcelock.Interface // only the methods below are called

	record resourcelock.LeaderElectionRecord
	err    error
}

func (a *answers) Identity() string { return "self" }

func (a *answers) Get(context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	if a.err != nil {
		return nil, nil, a.err
	}
	record := a.record

	return &record, []byte(record.HolderIdentity), nil
}

func (a *answers) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return a.Update(ctx, record)
}

func (a *answers) Update(_ context.Context, record resourcelock.LeaderElectionRecord) error {
	if a.err == nil {
		a.record = record
	}

	return a.err
}

// newAnswers returns a lease on a lock that another replica holds.
func newAnswers() (*answers, *lease, *bytes.Buffer) {
	lock, log := &answers{record: resourcelock.LeaderElectionRecord{HolderIdentity: "other"}}, &bytes.Buffer{}

	return lock, &lease{Interface: lock, log: slog.New(slog.NewTextHandler(log, nil))}, log
}

// holder returns whom a lease names, and the bytes by which the election notices a change.
func holder(t *testing.T, l *lease) (string, string) {
	t.Helper()
	record, raw, err := l.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	return record.HolderIdentity, string(raw)
}

func TestLeaderKeepsLeadingDuringAnOutage(t *testing.T) {
	lock, l, log := newAnswers()
	own := resourcelock.LeaderElectionRecord{HolderIdentity: "self"}
	if err := l.Create(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	lock.err = syscall.ECONNREFUSED
	for range 3 {
		if who, _ := holder(t, l); who != "self" {
			t.Errorf("during the outage %q leads", who)
		}
		if err := l.Update(t.Context(), own); err != nil {
			t.Errorf("a renewal during the outage: %v", err)
		}
	}
	if lines := bytes.Count(log.Bytes(), []byte("\n")); lines != 1 {
		t.Errorf("the outage is logged %d times:\n%s", lines, log)
	}
	lock.err, lock.record.HolderIdentity = nil, "other" // it was cut off alone
	if who, _ := holder(t, l); who != "other" {
		t.Errorf("after the outage %q leads", who)
	}
	lock.err = syscall.ECONNREFUSED
	if _, _, err := l.Get(t.Context()); err == nil {
		t.Error("it believes that it leads, after another leader was seen")
	}
}

func TestReleasedLeaseIsNotHeldDuringAnOutage(t *testing.T) {
	lock, l, _ := newAnswers()
	for _, who := range []string{"self", ""} {
		if err := l.Update(t.Context(), resourcelock.LeaderElectionRecord{HolderIdentity: who}); err != nil {
			t.Fatal(err)
		}
	}
	lock.err = syscall.ECONNREFUSED
	if _, _, err := l.Get(t.Context()); err == nil {
		t.Error("it believes that it leads, after it released the Lease")
	}
	if err := l.Update(t.Context(), resourcelock.LeaderElectionRecord{HolderIdentity: "self"}); err == nil {
		t.Error("it becomes the leader without an answer")
	}
}

// TestStandbyBeginsATermAnewAfterAnOutage: the bytes differ after each outage although the record does not, and at no other time.
func TestStandbyBeginsATermAnewAfterAnOutage(t *testing.T) {
	lock, l, _ := newAnswers()
	_, before := holder(t, l)
	if _, again := holder(t, l); again != before {
		t.Errorf("without an outage %q becomes %q", before, again)
	}
	for range 2 {
		lock.err = syscall.ECONNREFUSED
		if _, _, err := l.Get(t.Context()); err == nil {
			t.Fatal("a standby gets an answer during an outage")
		}
		lock.err = nil
		who, after := holder(t, l)
		if who != "other" || after == before {
			t.Errorf("after an outage %q leads, and %q stays", who, after)
		}
		before = after
	}
}

// TestEndOfTheOperatorIsNoOutage: requests that end with the operator are not taken for an outage.
func TestEndOfTheOperatorIsNoOutage(t *testing.T) {
	lock, l, log := newAnswers()
	own := resourcelock.LeaderElectionRecord{HolderIdentity: "self"}
	if err := l.Update(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	lock.err = context.Canceled
	if err := l.Update(ctx, own); err == nil {
		t.Error("a renewal that was not sent succeeds")
	}
	if log.Len() > 0 {
		t.Errorf("the end is logged as an outage:\n%s", log)
	}
}
