// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command simulate runs histories of the operator in internal/simulation. It prints its progress, and the seed and the shortest history if an
// invariant is broken.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/simulation"
)

// progressEvery is how often the progress is printed.
const progressEvery = 10 * time.Second

// exitViolation is the exit code when an invariant was broken.
const exitViolation = 3

func main() {
	first := flag.Uint64("first", 0, "the seed of the first history")
	count := flag.Uint64("count", 1_000_000, "the number of histories")
	workers := flag.Int("workers", runtime.GOMAXPROCS(0), "how many histories run at once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	campaign := &simulation.Campaign{First: *first, Count: *count, Workers: *workers}
	found, err := run(ctx, campaign)
	stop()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "simulate:", err)
		os.Exit(1)
	case found != nil:
		fmt.Println(found)
		fmt.Printf("To repeat it: go run ./hack/simulate -first %d -count 1\n", found.Seed)
		os.Exit(exitViolation)
	}
}

// run runs a campaign and prints its progress.
func run(ctx context.Context, campaign *simulation.Campaign) (*simulation.Finding, error) {
	began := time.Now()
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	ended := make(chan struct{})
	printed := make(chan struct{})
	go func() {
		defer close(printed)
		for {
			select {
			case <-ended:
				return
			case <-ticker.C:
				printProgress(campaign, time.Since(began))
			}
		}
	}()
	found, err := campaign.Run(ctx)
	close(ended)
	<-printed
	printProgress(campaign, time.Since(began))
	if err == nil && found == nil {
		fmt.Println("0 violations")
	}

	return found, err
}

func printProgress(campaign *simulation.Campaign, elapsed time.Duration) {
	done := campaign.Done.Load()
	fmt.Printf("%d of %d histories in %s, %.0f/s\n", done, campaign.Count, elapsed.Round(time.Second), float64(done)/elapsed.Seconds())
}
