// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// warmUpKeys is how many keys are minted before the first round, and not counted: the caches of the API server fill, and the raw loop
// learns what the operator writes.
const warmUpKeys = 100

// A round is one measured stretch of minting.
type round struct {
	keys int
	// took is from the first key that turned Active to the last.
	took time.Duration
	// cpu is the processor time of the program that minted, serverCPU that of kube-apiserver.
	cpu, serverCPU time.Duration
	calls          calls
}

// rounds is several rounds of the same kind.
type rounds []round

// keyCount returns how many keys were minted.
func (r rounds) keyCount() (keys int) {
	for _, one := range r {
		keys += one.keys
	}

	return keys
}

// rate returns keys a second over all rounds. The first key of each round starts its clock.
func (r rounds) rate() float64 {
	var took time.Duration
	for _, one := range r {
		took += one.took
	}

	return float64(r.keyCount()-len(r)) / took.Seconds()
}

// perKey returns the number of requests for each key over all rounds.
func (r rounds) perKey(filters ...filter) float64 {
	return float64(r.calls().count(filters...)) / float64(r.keyCount())
}

// cpuPerKey returns the processor time for each key, in milliseconds: of the program that minted, and of kube-apiserver.
func (r rounds) cpuPerKey() (minter, server float64) {
	for _, one := range r {
		minter += one.cpu.Seconds() * 1000
		server += one.serverCPU.Seconds() * 1000
	}

	return minter / float64(r.keyCount()), server / float64(r.keyCount())
}

func (r rounds) calls() calls {
	sum := calls{}
	for _, one := range r {
		sum = sum.plus(one.calls)
	}

	return sum
}

// measureMint compares the operator with the raw loop and counts API calls.
func (b *mintBench) measureMint(ctx context.Context) error {
	p, err := b.newPopulation(ctx, "mint", b.options.workers)
	if err != nil {
		return err
	}
	b.log.Printf("warm-up: the operator mints %d keys", warmUpKeys)
	script := &recording{}
	if _, err := b.mintRound(ctx, p, warmUpKeys, b.byOperator, script.observe); err != nil {
		return err
	}
	if err := script.finish(ctx, p); err != nil {
		return err
	}

	var operator, raw rounds
	for i := range b.options.rounds {
		one, other, err := b.roundPair(ctx, p, script, i)
		if err != nil {
			return err
		}
		operator, raw = append(operator, one), append(raw, other)
		b.log.Printf("round %d of %d: operator %.0f keys/s, raw loop %.0f keys/s",
			i+1, b.options.rounds, rounds{one}.rate(), rounds{other}.rate())
	}
	b.reportMint(operator, raw)

	return b.measureRest(ctx, p)
}

// roundPair runs a round of the operator and one of the raw loop. They change places from pair to pair, so that
// neither profits from a drift of the machine; in the last pair the operator is last and leaves its keys behind.
func (b *mintBench) roundPair(ctx context.Context, p *population, script *recording, i int) (operator, raw round, err error) {
	byOperator := func() error {
		b.log.Printf("round %d of %d: the operator mints %d keys", i+1, b.options.rounds, b.options.keys)
		operator, err = b.mintRound(ctx, p, b.options.keys, b.byOperator, nil)

		return err
	}
	byRawLoop := func() error {
		b.log.Printf("round %d of %d: the raw loop mints %d keys", i+1, b.options.rounds, b.options.keys)
		raw, err = b.mintRound(ctx, p, b.options.keys, b.byRawLoop(script), nil)

		return err
	}
	order := []func() error{byRawLoop, byOperator}
	if (b.options.rounds-i)%2 == 0 {
		order = []func() error{byOperator, byRawLoop}
	}
	for _, step := range order {
		if err := step(); err != nil {
			return operator, raw, err
		}
	}

	return operator, raw, nil
}

// A minter mints APIKeys that were created before. It calls finish, which returns once they are all Active,
// while or after it mints them, and returns the processor time that it took.
type minter func(ctx context.Context, created []*v1alpha1.APIKey, finish func(context.Context) error) (time.Duration, error)

// byOperator lets the operator mint the keys as after an outage: it has all of them before it from the start,
// so nothing but the operator and the API server limits the rate.
func (b *mintBench) byOperator(
	ctx context.Context, _ []*v1alpha1.APIKey, finish func(context.Context) error,
) (cpu time.Duration, err error) {
	err = b.withOperator(ctx, func(ctx context.Context, o *program) error {
		before, err := o.cpu(ctx)
		if err != nil {
			return err
		}
		if err := finish(ctx); err != nil {
			return err
		}
		after, err := o.cpu(ctx)
		cpu = after - before

		return err
	})

	return cpu, err
}

// mintRound creates n keys in place of those that are there, lets them be minted, and measures that.
// each is called with every state of every APIKey meanwhile; it may be nil.
func (b *mintBench) mintRound(ctx context.Context, p *population, n int, mint minter, each func(*v1alpha1.APIKey)) (round, error) {
	ctx, cancel := withTimeout(ctx, 2*mintTimeout(n), "a round of minting")
	defer cancel()
	if err := p.remove(ctx); err != nil {
		return round{}, err
	}
	created, err := p.create(ctx, n, nil)
	if err != nil {
		return round{}, err
	}
	active, err := p.watchPhase(ctx, v1alpha1.PhaseActive, n, each)
	if err != nil {
		return round{}, err
	}
	defer active.stop()
	before, err := b.requests(ctx)
	if err != nil {
		return round{}, err
	}
	result := round{keys: n}
	result.cpu, err = mint(ctx, created, func(ctx context.Context) error {
		arrived, err := active.wait(ctx)
		if err != nil {
			return err
		}
		result.took = arrived[len(arrived)-1].Sub(arrived[0])
		minted, err := b.requests(ctx)
		if err != nil {
			return err
		}
		quiet, err := b.quietRequests(ctx)
		result.serverCPU, result.calls = minted.cpu-before.cpu, quiet.calls.since(before.calls)

		return err
	})

	return result, err
}

func (b *mintBench) reportMint(operator, raw rounds) {
	pairs := make([]float64, 0, len(operator))
	for i := range operator {
		pairs = append(pairs, rounds{operator[i]}.rate()/rounds{raw[i]}.rate())
	}
	operatorCPU, operatorServer := operator.cpuPerKey()
	rawCPU, rawServer := raw.cpuPerKey()
	b.report.add(figure{
		Key: "mint.ratio", Name: "mint rate, operator / raw loop", Value: median(pairs),
		Aim: &aim{atLeast, 0.9}, Note: "median of " + roundByRound(pairs),
	}, figure{
		Key: "mint.cpu_ratio", Name: "CPU per mint, raw loop / operator", Value: (rawCPU + rawServer) / (operatorCPU + operatorServer),
		Note: "with kube-apiserver's; a busy machine blurs it less than the rates",
	})
	b.reportRounds("mint.operator", "operator", operator)
	b.reportRounds("mint.raw", "raw loop", raw)
	b.report.explain("Mint rate: %d rounds each, in turns, of %d keys that were created while the operator was down; %d at once.\n"+
		"A watcher's clock runs from the first key Active to the last. The raw loop sends the requests that the operator was seen\n"+
		"to send for a mint, with new keys in them, and does nothing else. CPU is that of the program that mints: for the operator from\n"+
		"when it is ready, for the raw loop with what the watcher takes, which runs in the same program.",
		b.options.rounds, b.options.keys, b.options.workers)
	b.report.explain("API calls are those that kube-apiserver counted, of every client, for APIKeys and Secrets unless the name says otherwise.")
}

func (b *mintBench) reportRounds(key, minter string, r rounds) {
	cpu, serverCPU := r.cpuPerKey()
	b.report.add(
		figure{Key: key + ".rate", Name: "mint rate, " + minter, Value: r.rate(), Unit: "keys/s"},
		figure{Key: key + ".cpu_per_key", Name: "CPU per mint, " + minter, Value: cpu, Unit: "ms/key"},
		figure{Key: key + ".server_cpu_per_key", Name: "  kube-apiserver meanwhile", Value: serverCPU, Unit: "ms/key"},
	)
	for _, c := range []struct {
		key, name string
		filters   []filter
		aim       *aim
	}{
		{".gets_per_key", "reads", []filter{onKeys, isGet}, &aim{exactly, 1}},
		{".writes_per_key", "writes", []filter{onKeys, isWrite}, &aim{exactly, 3}},
		{".event_writes_per_key", "Event writes", []filter{onEvents, isWrite}, nil},
	} {
		b.report.add(figure{
			Key: key + c.key, Name: c.name + " per mint, " + minter, Value: r.perKey(c.filters...), Unit: "calls/key",
			Aim: c.aim, Note: r.calls().only(c.filters...).String(),
		})
	}
}
