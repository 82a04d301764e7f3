// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"
)

// operatorShare is the part of its memory limit that the operator may take at its peak.
const operatorShare = 0.8

// fillEtcd writes the keys into etcd and reports how much it stores of each.
func (b *scaleBench) fillEtcd(ctx context.Context) error {
	n := b.options.keys
	b.log.Printf("writing %d APIKeys and their Secrets", n)
	before, err := b.etcdInUse(ctx)
	if err != nil {
		return err
	}
	var size *stored
	wanted := seeds{keys: n, operator: installedAccount(operatorAccount), secrets: true, limited: limitedEach}
	if b.keys, size, err = b.seedKeys(ctx, wanted); err != nil {
		return fmt.Errorf("give the cluster keys: %w", err)
	}
	after, err := b.etcdInUse(ctx)
	if err != nil {
		return err
	}
	each := func(bytes float64) float64 { return bytes / float64(n) }
	b.report.add(
		figure{Key: "etcd.per_key", Name: "etcd in use per key", Value: each(after-before) / kibi, Unit: "KiB",
			Note: fmt.Sprintf("%.0f MiB in all, one version of each object", (after-before)/mebi)},
		figure{Key: "etcd.apikey", Name: "  of it the APIKey", Value: each(float64(size.apikeys.Load())), Unit: "bytes"},
		figure{Key: "etcd.secret", Name: "  of it the Secret", Value: each(float64(size.secrets.Load())), Unit: "bytes"},
	)

	return nil
}

// etcdInUse returns how many bytes of its file etcd uses.
func (b *scaleBench) etcdInUse(ctx context.Context) (float64, error) {
	found, err := scrape(ctx, b.http, b.plane.EtcdURL()+"/metrics")
	if err != nil {
		return 0, fmt.Errorf("read the metrics of etcd: %w", err)
	}

	return found.sum("etcd_mvcc_db_total_size_in_use_in_bytes"), nil
}

// reportReady reports how long a program took to be ready.
func (b *scaleBench) reportReady(name string, took time.Duration) {
	b.log.Printf("the %s is ready after %.1f s", name, took.Seconds())
	b.report.add(figure{Key: name + ".ready", Name: name + ", start to ready", Value: took.Seconds(), Unit: "s"})
}

// reportRest reports what the operator asked of the API server since its start: it must leave settled keys as they are.
func (b *scaleBench) reportRest(ctx context.Context, before requests) error {
	now, err := b.requests(ctx)
	if err != nil {
		return err
	}
	spent := now.calls.since(before.calls)
	writes, reads := spent.only(onKeys, isWrite), spent.only(onKeys, isGet)
	b.report.add(figure{
		Key: "rest.writes", Name: "writes since the start of the operator", Value: float64(writes.count()), Unit: "calls", Aim: &aim{exactly, 0},
		Note: writes.String(),
	}, figure{
		Key: "rest.gets", Name: "Secrets checked since the start", Value: float64(reads.count()), Unit: "calls",
		Note: fmt.Sprintf("each of %d once, %d a second", b.options.keys, checksPerSecond),
	})

	return nil
}

// reportLimit compares the memory of a program with its limit.
func (b *scaleBench) reportLimit(name string, settled, last memory, limit int64) {
	share := map[string]float64{"operator": operatorShare}[name]
	if share == 0 {
		share = memoryShare
	}
	b.report.add(
		figure{Key: name + ".settled", Name: name + ", resident memory settled", Value: settled.resident / mebi, Unit: "MiB"},
		figure{Key: name + ".peak", Name: name + ", peak from start to end", Value: last.peak / mebi, Unit: "MiB"},
		figure{Key: name + ".peak_share", Name: "  peak / memory limit", Value: last.peak / float64(limit), Aim: &aim{atMost, share},
			Note: fmt.Sprintf("of %d MiB, as shipped", limit/mebi)},
	)
}

// reportTimes reports the median and the tail of times in ms.
func (b *scaleBench) reportTimes(key, name string, took []float64) {
	b.report.add(
		figure{Key: key + ".p50", Name: name + ", p50", Value: percentile(took, 50), Unit: "ms", Note: fmt.Sprintf("%d in turn", len(took))},
		figure{Key: key + ".p99", Name: "  p99", Value: percentile(took, 99), Unit: "ms"},
	)
}

// explain says how the figures were measured.
func (b *scaleBench) explain() {
	b.report.explain("Keys: the operator minted two, one with a rate limit; the others are copies in etcd of what it and kube-apiserver wrote, each with\n"+
		"a name, uids, a key and a digest of its own, and with its Secret. The operator finds nothing to correct (writes since its start).\n"+
		"config/default is installed, with its guardrails; operator and verifier have its accounts and, as GOMEMLIMIT, its memory limits.\n"+
		"The operator reads each Secret once after its start, %d a second: %d keys take %.0f s, of which the run waits for %s (0: all).\n"+
		"Memory is settled after that.",
		checksPerSecond, b.options.keys, float64(b.options.keys)/checksPerSecond, b.options.rest)
	b.report.explain("kubectl get prints every key. Mints and revocations follow one another, with both programs, etcd and kube-apiserver on the same cores.")
}
