// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package schedule draws what a soak does and when. A schedule is a function of its options alone: the same seed gives the same operations
// and faults at the same times. What they meet in the cluster differs from run to run, because processes run in real time.
//
// # Cycles
//
// Time is divided into cycles. A cycle begins with a storm, in which the control plane, connections and all four processes fail, and ends
// with a lull, in which only verifiers are stopped, for fractions of a second. The budgets of package oracle run out in lulls, so most
// facts are enforced within the cycle in which they arise. Over a whole cycle processes are killed or stopped more than twice a second.
//
// # Slots
//
// A slot is the name of an APIKey, with its own sequence of operations. Every eighth slot delivers its key once. Every fourth slot is
// quiet: its keys stay the same through many faults, which shows that they are accepted all the time. An operation on an APIKey that has
// ended deletes it and creates another of the same name.
package schedule
