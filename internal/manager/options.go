// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"flag"
	"fmt"
	"io"
	"time"

	"k8s.io/client-go/tools/leaderelection"

	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/program"
)

// Options are the command line of the operator.
type Options struct {
	program.Common

	leaderElect             bool
	leaderElectionNamespace string
	leaseDuration           time.Duration
	renewDeadline           time.Duration
	retryPeriod             time.Duration
	keyPrefix               string
	concurrentReconciles    int
	startTimeout            time.Duration
	requireGuardrails       bool
}

// newFlagSet returns the flags that fill in options.
func newFlagSet(o *Options) *flag.FlagSet {
	fs := flag.NewFlagSet("manager", flag.ContinueOnError)
	o.Bind(fs)
	fs.BoolVar(&o.leaderElect, "leader-elect", false, "Let one replica work at a time. Several at once are safe, but do the same work.")
	fs.StringVar(&o.leaderElectionNamespace, "leader-election-namespace", "",
		"Namespace of the Lease for --leader-elect; empty: the namespace of the pod.")
	o.bindLease(fs)
	fs.StringVar(&o.keyPrefix, "key-prefix", keys.DefaultPrefix,
		"Prefix of new keys: 1 to 10 lower-case letters and digits, beginning with a letter. Keys with another prefix stay valid.")
	fs.IntVar(&o.concurrentReconciles, "concurrent-reconciles", 16, "APIKeys that are reconciled at the same time, from 1 to 1000.")
	fs.DurationVar(&o.startTimeout, "start-timeout", 2*time.Minute,
		"How long the first lists of all watched resources may take. After that the operator ends with an error that names the resources "+
			"that it cannot list.")
	fs.BoolVar(&o.requireGuardrails, "require-guardrails", true,
		"Mint keys only while the policies of config/policy are in force at the API server: without them, every user who may create "+
			"an APIKey can give it any permission. --require-guardrails=false is for clusters where other software decides that.")

	return fs
}

// bindLease defines the times of the leader election. With the defaults the next leader works at most 6.2 seconds after the last
// renewal of one that was lost: a standby sees a renewal after up to 2.2 retry periods, and asks again as late after the end of the term.
func (o *Options) bindLease(fs *flag.FlagSet) {
	fs.DurationVar(&o.leaseDuration, "leader-elect-lease-duration", 4*time.Second,
		"For --leader-elect: how long a leader that does not renew its Lease is waited for, in whole seconds from 2s to 10m.")
	fs.DurationVar(&o.renewDeadline, "leader-elect-renew-deadline", 3*time.Second,
		"For --leader-elect: how long a leader that finds another one in the Lease goes on; less than the lease duration.")
	fs.DurationVar(&o.retryPeriod, "leader-elect-retry-period", 500*time.Millisecond,
		"For --leader-elect: how often the leader renews the Lease, from 100ms, less than 5/6 of the renew deadline. A replica that stands by "+
			"asks every 1.6 periods on average.")
}

// checkLease refuses times with which no election works.
func (o *Options) checkLease() error {
	switch {
	case o.leaseDuration < 2*time.Second || o.leaseDuration > 10*time.Minute || o.leaseDuration%time.Second != 0:
		return fmt.Errorf("--leader-elect-lease-duration=%s: must be whole seconds from 2s to 10m", o.leaseDuration)
	case o.renewDeadline <= 0 || o.renewDeadline >= o.leaseDuration:
		return fmt.Errorf("--leader-elect-renew-deadline=%s: must be more than 0 and less than --leader-elect-lease-duration=%s",
			o.renewDeadline, o.leaseDuration)
	case o.retryPeriod < 100*time.Millisecond || float64(o.retryPeriod)*leaderelection.JitterFactor >= float64(o.renewDeadline):
		return fmt.Errorf("--leader-elect-retry-period=%s: must be at least 100ms, and less than 5/6 of --leader-elect-renew-deadline=%s",
			o.retryPeriod, o.renewDeadline)
	default:
		return nil
	}
}

// Parse reads the command line. It answers --help itself and returns flag.ErrHelp then.
func Parse(args []string, help io.Writer) (Options, error) {
	var o Options
	purpose := "Runs the operator: it mints, rotates and ends the API keys that APIKey objects declare."
	if err := program.Parse(newFlagSet(&o), purpose, args, help); err != nil {
		return o, err
	}
	if err := keys.CheckPrefix(o.keyPrefix); err != nil {
		return o, fmt.Errorf("--key-prefix: %w", err)
	}
	if o.startTimeout <= 0 {
		return o, fmt.Errorf("--start-timeout=%s: must be more than 0", o.startTimeout)
	}
	if o.concurrentReconciles < 1 || o.concurrentReconciles > 1000 {
		return o, fmt.Errorf("--concurrent-reconciles=%d: must be from 1 to 1000", o.concurrentReconciles)
	}

	return o, o.checkLease()
}
