// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"slices"
	"time"
)

// Target is a program that a fault concerns.
type Target string

// The targets.
const (
	Operator1 Target = "operator-1"
	Operator2 Target = "operator-2"
	Verifier1 Target = "verifier-1"
	Verifier2 Target = "verifier-2"
	APIServer Target = "kube-apiserver"
	Etcd      Target = "etcd"
)

// Operators returns the targets that are operators.
func Operators() []Target { return []Target{Operator1, Operator2} }

// Verifiers returns the targets that are verifiers.
func Verifiers() []Target { return []Target{Verifier1, Verifier2} }

// FaultKind is what happens to a target.
type FaultKind string

// The kinds of faults.
const (
	// Kill ends the target with SIGKILL; it starts again after Fault.For.
	Kill FaultKind = "kill"
	// Stop sends SIGSTOP, and SIGCONT after Fault.For.
	Stop FaultKind = "stop"
	// Break closes the connections of the target to the API server, and refuses new ones.
	Break FaultKind = "break"
	// Swallow keeps the connections of the target open and passes nothing on.
	Swallow FaultKind = "swallow"
)

// Fault is one failure.
type Fault struct {
	At     time.Duration
	Target Target
	Kind   FaultKind
	For    time.Duration
}

// OnProcess reports whether the fault kills or stops an operator or a verifier.
func (f Fault) OnProcess() bool {
	return (f.Kind == Kill || f.Kind == Stop) && f.Target != APIServer && f.Target != Etcd
}

// The streams of random numbers. Those of slots begin after them.
const (
	streamProcesses = iota
	streamControlPlane
	streamConnections
	streamSlots
)

// faults returns all faults.
func faults(o Options) []Fault {
	all := slices.Concat(processFaults(o), controlPlaneFaults(o), connectionFaults(o))

	return slices.DeleteFunc(all, func(f Fault) bool { return f.At >= o.Duration })
}

// The times between two faults of processes, and the share of kills.
const (
	stormPause = 330 * time.Millisecond
	lullPause  = 900 * time.Millisecond

	killPercent     = 12
	longStopPercent = 3
)

// processFaults kills and stops operators and verifiers. A target has one fault at a time.
func processFaults(o Options) []Fault {
	s := newSource(o.Seed, streamProcesses)
	var list []Fault
	free := map[Target]time.Duration{}
	for at := s.between(0, stormPause); at < o.Duration; {
		lull := at%Cycle >= storm
		targets := Verifiers()
		pause := lullPause
		if !lull {
			targets = append(targets, Operators()...)
			pause = stormPause
		}
		targets = slices.DeleteFunc(targets, func(t Target) bool { return free[t] > at })
		if len(targets) > 0 {
			f := processFault(s, targets[s.IntN(len(targets))], lull)
			f.At = at
			free[f.Target] = at + f.For
			list = append(list, f)
		}
		at += s.between(pause/2, pause*3/2)
	}

	return list
}

// processFault draws what happens to a process.
func processFault(s source, target Target, lull bool) Fault {
	f := Fault{Target: target, Kind: Stop, For: s.between(10*time.Millisecond, 250*time.Millisecond)}
	switch {
	case lull:
	case s.chance(killPercent):
		f.Kind, f.For = Kill, s.between(0, 800*time.Millisecond)
	case s.chance(longStopPercent): // long enough that the next operator leads
		f.For = s.between(4500*time.Millisecond, 6*time.Second)
	}

	return f
}

// controlPlaneFaults pauses and kills API server and etcd, twice in each cycle, each form once in two cycles.
func controlPlaneFaults(o Options) []Fault {
	s := newSource(o.Seed, streamControlPlane)
	var list []Fault
	var forms []Fault
	for begin := time.Duration(0); begin < o.Duration; begin += Cycle {
		for half := range 2 {
			if len(forms) == 0 {
				forms = []Fault{{Target: APIServer, Kind: Kill}, {Target: APIServer, Kind: Stop}, {Target: Etcd, Kind: Kill}, {Target: Etcd, Kind: Stop}}
				s.Shuffle(len(forms), func(i, j int) { forms[i], forms[j] = forms[j], forms[i] })
			}
			f := forms[0]
			forms = forms[1:]
			f.At = begin + time.Duration(half)*(outages/2) + s.between(time.Second, outages/2)
			f.For = s.between(300*time.Millisecond, 4*time.Second)
			list = append(list, f)
		}
	}

	return list
}

// connectionFaults cuts the connection of one process, three times in each cycle.
func connectionFaults(o Options) []Fault {
	s := newSource(o.Seed, streamConnections)
	targets := append(Operators(), Verifiers()...)
	var list []Fault
	for begin := time.Duration(0); begin < o.Duration; begin += Cycle {
		for range 3 {
			f := Fault{Target: targets[s.IntN(len(targets))], Kind: Break, At: begin + s.between(0, outages)}
			if s.chance(50) {
				f.Kind = Swallow
			}
			f.For = s.between(300*time.Millisecond, 4*time.Second)
			list = append(list, f)
		}
	}

	return list
}
