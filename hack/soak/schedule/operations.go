// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package schedule

import "time"

// OperationKind is what a user does.
type OperationKind string

// The kinds of operations.
const (
	Create        OperationKind = "create"
	Rotate        OperationKind = "rotate"
	RotateOverlap OperationKind = "rotate with overlap"
	RotateAgain   OperationKind = "rotate by an earlier value"
	Suspend       OperationKind = "suspend"
	Resume        OperationKind = "resume"
	Revoke        OperationKind = "revoke"
	Expire        OperationKind = "expire"
	Recreate      OperationKind = "delete and recreate"
	Claim         OperationKind = "claim"
	DeleteSecret  OperationKind = "delete the Secret" //nolint:gosec // no credential
	EditSecret    OperationKind = "edit the Secret"
	RestoreSecret OperationKind = "restore an earlier Secret"
	RestoreStatus OperationKind = "restore an earlier status"
	Rename        OperationKind = "rename"
)

// Operation is one action of a user on the APIKey of a slot, or on its Secret.
type Operation struct {
	At   time.Duration
	Slot int
	// Number counts the operations of the slot.
	Number int
	Kind   OperationKind
	// Overlap is that of RotateOverlap.
	Overlap time.Duration
	// After is how long after the operation the key ends, for Expire.
	After time.Duration
	// Choice selects among earlier values and versions, which the schedule does not know.
	Choice int

	// Once, SpecOverlap and ValidFor are for the APIKey that the operation creates, if it creates one. Zero: not set.
	Once        bool
	SpecOverlap time.Duration
	ValidFor    time.Duration
}

// The pace of a slot.
const (
	onceEvery  = 8
	quietEvery = 4

	pause      = 20 * time.Second
	quietPause = 90 * time.Second

	burstPercent = 25
	burstPause   = 400 * time.Millisecond
)

// Once reports whether a slot delivers its key once.
func Once(slot int) bool { return slot%onceEvery == onceEvery-1 }

// weight is how often a kind is drawn.
type weight struct {
	kind OperationKind
	weight,
	// once is the weight for slots that deliver once. Such a slot has no account in a Secret after the claim: a status that was restored
	// while no operator ran is believed, so none is restored.
	once int
}

func kinds() []weight {
	return []weight{
		{Rotate, 5, 4}, {RotateOverlap, 5, 2}, {RotateAgain, 2, 1}, {Suspend, 4, 2}, {Revoke, 2, 1}, {Expire, 2, 1}, {Recreate, 3, 2},
		{Claim, 0, 8}, {DeleteSecret, 4, 2}, {EditSecret, 3, 0}, {RestoreSecret, 2, 0}, {RestoreStatus, 3, 0}, {Rename, 3, 2},
	}
}

// operations returns the operations of a slot.
func operations(o Options, slot int) []Operation {
	s := newSource(o.Seed, streamSlots+slot)
	weights := make([]int, len(kinds()))
	for i, k := range kinds() {
		if weights[i] = k.weight; Once(slot) {
			weights[i] = k.once
		}
	}
	at := s.between(0, min(o.Duration/10, 15*time.Second))
	list := []Operation{drawOperation(s, slot, Create)}
	list[0].At = at
	for {
		if at += nextPause(s, slot); at >= o.Duration {
			break
		}
		op := drawOperation(s, slot, kinds()[s.weighted(weights)].kind)
		op.At = at
		list = append(list, op)
		if op.Kind == Suspend {
			resume := drawOperation(s, slot, Resume)
			at += s.between(time.Second, 12*time.Second)
			if resume.At = at; at < o.Duration {
				list = append(list, resume)
			}
		}
	}
	for i := range list {
		list[i].Number = i
	}

	return list
}

// nextPause draws the time until the next operation of a slot: sometimes the next follows at once, before the operator has acted.
func nextPause(s source, slot int) time.Duration {
	mean := pause
	if slot%quietEvery == 0 {
		mean = quietPause
	} else if s.chance(burstPercent) {
		return s.between(0, burstPause)
	}

	return s.between(mean/4, mean*7/4)
}

// drawOperation draws the parameters of an operation.
func drawOperation(s source, slot int, kind OperationKind) Operation {
	op := Operation{
		Slot: slot, Kind: kind, Once: Once(slot), Choice: s.IntN(1 << 20),
		Overlap: time.Duration(5+s.IntN(30)) * time.Second, After: s.between(2*time.Second, 8*time.Second),
	}
	if s.chance(25) {
		op.SpecOverlap = 15 * time.Second
	}
	if s.chance(8) {
		op.ValidFor = time.Duration(40+s.IntN(60)) * time.Second
	}

	return op
}
