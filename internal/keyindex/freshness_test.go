// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex

import (
	"math/rand/v2"
	"testing"
	"time"
)

// step is something that happens, some seconds after the start.
type step struct {
	at int
	do func(f *freshness, at time.Time)
}

var freshnessStart = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func second(n int) time.Time { return freshnessStart.Add(time.Duration(n) * time.Second) }

// answered is a read that begins and is answered at once.
func answered(version uint64) func(*freshness, time.Time) {
	return func(f *freshness, at time.Time) { f.answer(f.begin(at), version) }
}

func delivered(version uint64) func(*freshness, time.Time) {
	return func(f *freshness, _ time.Time) { f.deliver(version) }
}

func listed(version uint64) func(*freshness, time.Time) {
	return func(f *freshness, _ time.Time) { f.restart(version) }
}

func failed(f *freshness, at time.Time) { f.fail(at) }

// Mutants that were run and that this test or the next one kills: answer keeps unreached reads although versions went back; begin takes
// the least version from reads alone, or from the watch alone; restart leaves rewound or newest set, or leaves completeAsOf with an older
// list; advance compares with < instead of <=, or takes the last read for any that is reached; up without the comparison with failedAt,
// without downAfter, or without the maximum.
func TestFreshness(t *testing.T) {
	const never = -1
	for name, c := range map[string]struct {
		steps      []step
		now        int
		most       time.Duration
		completeAt int // the second as of which the knowledge is complete
		up         bool
		rewound    bool
	}{
		"Nothing is known at first":                             {completeAt: never},
		"A list alone proves nothing: it may come from a cache": {steps: []step{{1, listed(5)}}, now: 2, completeAt: never},
		"A read alone proves nothing: the watch may hang":       {steps: []step{{1, answered(5)}}, now: 2, completeAt: never},
		"A bookmark alone proves nothing: etcd may hang": {
			steps: []step{{1, listed(5)}, {2, delivered(6)}},
			now:   2, completeAt: never,
		},
		"A list at the version of a read proves it": {
			steps: []step{{1, answered(5)}, {2, listed(5)}},
			now:   2, completeAt: 1, up: true,
		},
		"A list before the version of a read does not": {
			steps: []step{{1, answered(5)}, {2, listed(4)}},
			now:   2, completeAt: never,
		},
		"A read at a version that was delivered already is proven": {
			steps: []step{{1, listed(5)}, {2, answered(5)}},
			now:   2, completeAt: 2, up: true,
		},
		"A later version proves a read as well": {
			steps: []step{{1, answered(5)}, {2, delivered(9)}},
			now:   2, completeAt: 1, up: true,
		},
		"Of several reads the latest that was reached counts": {
			steps: []step{{1, answered(5)}, {2, answered(6)}, {3, answered(8)}, {4, delivered(7)}},
			now:   4, completeAt: 2, up: true,
		},
		"A read that is reached later counts later": {
			steps: []step{{1, answered(5)}, {2, answered(8)}, {3, delivered(7)}, {4, delivered(8)}},
			now:   4, completeAt: 2, up: true,
		},
		"After a failure it is down although nothing is old yet": {
			steps: []step{{1, answered(5)}, {2, listed(5)}, {3, failed}},
			now:   3, completeAt: 1,
		},
		"A read from before the failure does not end it": {
			steps: []step{{1, answered(5)}, {2, failed}, {3, delivered(5)}},
			now:   3, completeAt: 1,
		},
		"A read from after the failure ends it": {
			steps: []step{{1, failed}, {2, answered(5)}, {3, delivered(5)}},
			now:   3, completeAt: 2, up: true,
		},
		"A watch that delivers nothing is up for a while": {
			steps: []step{{1, answered(5)}, {2, listed(5)}, {20, answered(6)}},
			now:   21, completeAt: 1, up: true,
		},
		"A watch that delivers nothing for longer is down": {
			steps: []step{{1, answered(5)}, {2, listed(5)}, {20, answered(6)}},
			now:   22, completeAt: 1,
		},
		"A watch that delivers nothing is down at the maximum": {
			steps: []step{{1, answered(5)}, {2, listed(5)}},
			now:   12, most: 10 * time.Second, completeAt: 1,
		},
		"Up to the maximum it is up": {
			steps: []step{{1, answered(5)}, {2, listed(5)}},
			now:   11, most: 10 * time.Second, completeAt: 1, up: true,
		},
		"A high maximum changes nothing": {
			steps: []step{{1, answered(5)}, {2, listed(5)}},
			now:   22, most: time.Hour, completeAt: 1,
		},
		"A version below that of a read that was not reached is one, too": {
			steps: []step{{1, listed(5)}, {1, answered(9)}, {2, answered(8)}, {3, delivered(10)}},
			now:   3, completeAt: never, rewound: true,
		},
		"A version below that of an earlier read is a restore": {
			steps: []step{{1, listed(9)}, {1, answered(9)}, {2, answered(8)}, {3, delivered(10)}},
			now:   3, completeAt: 1, up: true, rewound: true,
		},
		"A version below what was delivered before is a restore": {
			steps: []step{{1, answered(9)}, {1, listed(12)}, {2, answered(11)}, {3, delivered(20)}},
			now:   3, completeAt: 1, up: true, rewound: true,
		},
		"After a restore reads prove nothing before the list": {
			steps: []step{{1, listed(9)}, {1, answered(9)}, {2, answered(8)}, {3, answered(9)}, {4, delivered(9)}},
			now:   4, completeAt: 1, up: true, rewound: true,
		},
		"After the list they do again": {
			steps: []step{{1, listed(9)}, {1, answered(9)}, {2, answered(4)}, {3, listed(4)}, {4, answered(5)}, {5, delivered(5)}},
			now:   5, completeAt: 4, up: true,
		},
		"A list that is older than what was delivered takes it back": {
			steps: []step{{1, answered(5)}, {2, delivered(9)}, {3, listed(6)}, {4, answered(9)}},
			now:   4, completeAt: never,
		},
		"The API server may deliver more while a read is on its way": {
			steps: []step{{1, listed(5)}, {2, func(f *freshness, at time.Time) { r := f.begin(at); f.deliver(8); f.answer(r, 6) }}},
			now:   2, completeAt: 2, up: true,
		},
		"A read counts from its begin, however long its answer takes": {
			steps: []step{{1, listed(5)}, {2, func(f *freshness, at time.Time) { f.answer(f.begin(at.Add(-time.Second)), 5) }}},
			now:   2, completeAt: 1, up: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var f freshness
			for _, s := range c.steps {
				s.do(&f, second(s.at))
			}
			want := second(c.completeAt)
			if c.completeAt == never {
				want = time.Time{}
			}
			if !f.completeAsOf.Equal(want) || f.up(second(c.now), c.most) != c.up || f.rewound != c.rewound {
				t.Errorf("complete as of %s, up %t, rewound %t; want %s, %t, %t",
					f.completeAsOf, f.up(second(c.now), c.most), f.rewound, want, c.up, c.rewound)
			}
		})
	}
}

// A cluster in memory changes at random, a watch delivers its changes late, and reads take their time. Whenever the index says
// that it is complete as of a time, every change from before that time was delivered. And it says so as soon as it can.
func TestFreshnessNeverSaysTooMuch(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // G404: the same cases in every run
		var f freshness
		var changes []time.Time // changes[i] is when version i+1 came to be
		var pending *read
		reached := 0
		for i := range 2_000 {
			now := second(i)
			switch random.IntN(6) {
			case 0, 1:
				changes = append(changes, now)
			case 2:
				if pending == nil {
					pending = new(f.begin(now))
				} else {
					f.answer(*pending, uint64(len(changes)))
					pending = nil
				}
			case 3:
				reached += random.IntN(len(changes) - reached + 1)
				f.deliver(uint64(reached)) //nolint:gosec // G115: small
			case 4:
				if random.IntN(20) == 0 { // a list from the cache of an API server that lags
					reached = random.IntN(reached + 1)
					f.restart(uint64(reached)) //nolint:gosec // G115: small
				}
			default:
			}
			if reached < len(changes) && changes[reached].Before(f.completeAsOf) {
				t.Fatalf("seed %d, step %d: complete as of %s without the change of %s", seed, i, f.completeAsOf, changes[reached])
			}
		}
		reached = len(changes)
		f.answer(f.begin(second(3_000)), uint64(reached))
		f.deliver(uint64(reached))
		if !f.completeAsOf.Equal(second(3_000)) {
			t.Fatalf("seed %d: everything was delivered and confirmed, and it is complete as of %s", seed, f.completeAsOf)
		}
	}
}

func TestAge(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		completeAsOf, now time.Time
		want              time.Duration
	}{
		"unknown":                             {time.Time{}, now, unknownAge},
		"both clocks agree":                   {now, now.Add(time.Minute), time.Minute},
		"only the wall clock has gone on":     {now.Add(-time.Hour).Round(0), now, time.Hour},
		"the time is before the read's begin": {now, now.Add(-time.Minute), 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := age(c.completeAsOf, c.now); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestCadence(t *testing.T) {
	for most := LeastMaxStaleness; most <= time.Minute; most += time.Second {
		c := cadenceFor(most)
		// A read that has just missed a bookmark is confirmed by the next one, up to 2 seconds late.
		if worst := time.Duration(float64(c.read)*(1+readJitter)) + c.watch + 2*time.Second; worst > most*2/3 {
			t.Errorf("with a maximum of %s the age of a healthy index reaches %s", most, worst)
		}
		if c.watch < shortestWatch || c.read < time.Second {
			t.Errorf("with a maximum of %s the API server is asked too often: %+v", most, c)
		}
	}
	if c := cadenceFor(0); c.read != readEvery || c.watch != watchFor {
		t.Errorf("without a maximum: %+v", c)
	}
}

func TestParseVersion(t *testing.T) {
	for text, ok := range map[string]bool{
		"1": true, "18446744073709551615": true, "": false, "0": false, "-1": false, "x": false, "18446744073709551616": false,
	} {
		if _, err := parseVersion(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}
