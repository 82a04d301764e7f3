// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// outageOptions are the flags of bench outage.
type outageOptions struct {
	operator, verifier string // the paths of bin/manager and bin/verifier
	outages, leaders   int
	shortest, longest  time.Duration
	seed               uint64
}

// outageBench is one run of bench outage.
type outageBench struct {
	*cluster

	options outageOptions
	report  *report
	site    *outageSite
}

// The most that a recovery may take.
const (
	outageAim   = 5.0 // seconds from the return of the API server
	killedAim   = 8.0 // seconds from kill -9 of the leader
	handoverAim = 2.0 // seconds from SIGTERM to the leader
)

// newOutage returns the command that measures how soon the operator and the verifier work again after outages.
func newOutage(hurry <-chan struct{}) *cobra.Command {
	var o outageOptions
	command := newCommand("outage", "Measure how soon two operators and a verifier work after outages of the API server, and after the loss of the leader",
		o.complaint, func(c *cobra.Command) error {
			// Connections break here, and a write to one would count as the reader of stdout having gone.
			signal.Ignore(syscall.SIGPIPE)
			b := &outageBench{options: o, report: newReport("outage")}

			return runBenchmark(c, hurry, b.report, &b.cluster, b.measure)
		})
	flags := command.Flags()
	flags.StringVar(&o.operator, "manager", builtProgram("manager"), "`path` of the operator")
	flags.StringVar(&o.verifier, "verifier", builtProgram("verifier"), "`path` of the verifier")
	flags.IntVar(&o.outages, "outages", 20, "how many outages, of each form in turn")
	flags.DurationVar(&o.shortest, "shortest", 3*time.Second, "length of the shortest outage")
	flags.DurationVar(&o.longest, "longest", time.Minute, "length of the longest outage")
	flags.IntVar(&o.leaders, "leaders", 5, "how many leaders to kill, and how many to end in order")
	flags.Uint64Var(&o.seed, "seed", 1, "of the lengths of the outages")

	return command
}

// complaint returns what makes no sense in the options; empty: nothing.
func (o *outageOptions) complaint() string {
	if o.outages < 0 || o.leaders < 0 || o.shortest <= 0 || o.longest < o.shortest {
		return "--outages and --leaders must not be negative, --shortest more than 0, and --longest not less"
	}

	return ""
}

// measure runs the programs and measures what the options ask for.
func (b *outageBench) measure(ctx context.Context) (err error) {
	if b.site, err = newOutageSite(ctx, b.cluster, b.options); err != nil {
		return err
	}
	defer func() { b.site.stop() }()
	if err := b.measureOutages(ctx); err != nil {
		return err
	}

	return b.measureLeaders(ctx)
}

// measureOutages has outages of each form in turn, and reports how long each effect took from the return of the API server.
func (b *outageBench) measureOutages(ctx context.Context) error {
	lengths := rand.New(rand.NewPCG(b.options.seed, 0)) //nolint:gosec // the same seed gives the same outages
	delays := map[string][]float64{}
	var attempts []float64
	for i := range b.options.outages {
		form := outageForms()[i%len(outageForms())]
		length := b.options.shortest + time.Duration(lengths.Int64N(int64(b.options.longest-b.options.shortest)+1))
		b.log.Printf("outage %d of %d: %s for %s", i+1, b.options.outages, form.name, length.Round(time.Millisecond))
		took, rate, err := b.site.outage(ctx, form, length, i)
		if err != nil {
			return fmt.Errorf("outage %d, %s for %s: %w", i+1, form.name, length, err)
		}
		for _, effect := range outageEffects() {
			delays[effect] = append(delays[effect], took[effect].Seconds())
			b.log.Printf("  %s after %s", effect, took[effect].Round(time.Millisecond))
		}
		if form.relay {
			attempts = append(attempts, rate)
		}
	}
	for _, effect := range outageEffects() {
		if values := delays[effect]; len(values) > 0 {
			b.report.add(figure{
				Key: "outage." + effect, Name: "return of the API server to " + effect + ", p99", Value: percentile(values, 99), Unit: "s",
				Aim: &aim{atMost, outageAim}, Note: fmt.Sprintf("median %s of %d outages", formatValue(median(values)), len(values)),
			})
		}
	}
	if len(attempts) > 0 {
		b.report.add(figure{
			Key: "outage.connections", Name: "connections of two operators and a verifier while it is away, most", Unit: "1/s",
			Value: percentile(attempts, 100), Note: "median " + formatValue(median(attempts)),
		})
	}

	return nil
}

// measureLeaders kills leaders and ends leaders in order, and reports how long the next mint took.
func (b *outageBench) measureLeaders(ctx context.Context) error {
	for _, end := range []struct {
		key, name string
		kill      bool
		most      float64
	}{{"killed", "kill -9 of the leader to the next mint, longest", true, killedAim},
		{"handover", "SIGTERM to the leader to the next mint, longest", false, handoverAim}} {
		var delays []float64
		for i := range b.options.leaders {
			b.log.Printf("leader %d of %d: %s", i+1, b.options.leaders, end.key)
			delay, err := b.site.loseLeader(ctx, end.kill, fmt.Sprintf("%s-%d", end.key, i))
			if err != nil {
				return fmt.Errorf("leader %s: %w", end.key, err)
			}
			delays = append(delays, delay.Seconds())
		}
		if len(delays) > 0 {
			b.report.add(figure{
				Key: "outage." + end.key, Name: end.name, Value: percentile(delays, 100), Unit: "s", Aim: &aim{atMost, end.most},
				Note: fmt.Sprintf("median %s of %d", formatValue(median(delays)), len(delays)),
			})
		}
	}

	return nil
}
