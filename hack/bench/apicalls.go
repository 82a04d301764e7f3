// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

const (
	// quietFor is how long no request must come until the operator counts as done.
	quietFor = 2 * time.Second
	// quietPoll is how often the counters of the API server are read meanwhile.
	quietPoll = 500 * time.Millisecond
)

// A call is a kind of request by the labels of the API server's counter.
type call struct{ verb, group, resource, subresource string }

// calls are counts of requests by kind.
type calls map[call]int

// A filter picks kinds of requests.
type filter func(call) bool

// onKeys picks the resources of an APIKey: the object and its Secret.
func onKeys(c call) bool {
	return c.group == v1alpha1.GroupName && c.resource == "apikeys" || c.group == "" && c.resource == "secrets"
}

func onEvents(c call) bool { return c.resource == "events" }

func onKeysOrEvents(c call) bool { return onKeys(c) || onEvents(c) }

func onLeases(c call) bool { return c.resource == "leases" }

func isGet(c call) bool { return c.verb == http.MethodGet }

// isWatch picks watches, also those that begin with a list.
func isWatch(c call) bool { return strings.HasPrefix(c.verb, "WATCH") }

func isListOrWatch(c call) bool { return c.verb == "LIST" || isWatch(c) }

func isWrite(c call) bool { return !isGet(c) && !isListOrWatch(c) }

// isSingle picks requests for one object.
func isSingle(c call) bool { return !isListOrWatch(c) }

// count returns the number of requests that pass all filters.
func (c calls) count(filters ...filter) int {
	n := 0
	for _, count := range c.only(filters...) {
		n += count
	}

	return n
}

// only returns the kinds of requests that pass all filters.
func (c calls) only(filters ...filter) calls {
	kept := maps.Clone(c)
	maps.DeleteFunc(kept, func(kind call, _ int) bool {
		return slices.ContainsFunc(filters, func(f filter) bool { return !f(kind) })
	})

	return kept
}

// since returns the difference from an earlier count.
func (c calls) since(before calls) calls {
	delta := calls{}
	for kind, count := range c {
		if n := count - before[kind]; n != 0 {
			delta[kind] = n
		}
	}

	return delta
}

// plus returns the sum of two counts.
func (c calls) plus(other calls) calls {
	sum := maps.Clone(c)
	for kind, count := range other {
		sum[kind] += count
	}

	return sum
}

// String lists the requests as "GET secrets 5, PUT apikeys/status 10".
func (c calls) String() string {
	lines := make([]string, 0, len(c))
	for kind, count := range c {
		resource := kind.resource
		if kind.subresource != "" {
			resource += "/" + kind.subresource
		}
		lines = append(lines, fmt.Sprintf("%s %s %d", kind.verb, resource, count))
	}
	slices.Sort(lines)

	return strings.Join(lines, ", ")
}

// requests is the work of an API server so far.
type requests struct {
	calls calls
	// cpu is its processor time.
	cpu time.Duration
}

// requestsIn reads the metrics of an API server.
//
// The API server adds a watch to its counter when the watch ends. Those that are open are added here.
func requestsIn(found families) (requests, error) {
	counted := found["apiserver_request_total"]
	if counted == nil {
		return requests{}, errors.New("the API server's metrics hold no apiserver_request_total")
	}
	c := calls{}
	for _, m := range counted.GetMetric() {
		c[callOf(m)] += int(m.GetCounter().GetValue())
	}
	for _, m := range found["apiserver_longrunning_requests"].GetMetric() {
		if kind := callOf(m); isWatch(kind) {
			c[kind] += int(m.GetGauge().GetValue())
		}
	}

	return requests{calls: c, cpu: found.cpu()}, nil
}

func callOf(m *dto.Metric) call {
	labels := map[string]string{}
	for _, label := range m.GetLabel() {
		labels[label.GetName()] = label.GetValue()
	}

	return call{verb: labels["verb"], group: labels["group"], resource: labels["resource"], subresource: labels["subresource"]}
}

// requests reads how many requests the API server has had so far.
func (c *cluster) requests(ctx context.Context) (requests, error) {
	found, err := scrape(ctx, c.http, c.plane.Config.Host+"/metrics")
	if err != nil {
		return requests{}, fmt.Errorf("count API calls: %w", err)
	}

	return requestsIn(found)
}

// quietRequests waits until no more requests come for APIKeys, Secrets and Events, and returns how many there were.
func (c *cluster) quietRequests(ctx context.Context) (requests, error) {
	last, err := c.requests(ctx)
	if err != nil {
		return requests{}, err
	}
	var newest calls
	for quietSince := time.Now(); time.Since(quietSince) < quietFor; {
		if err := pause(ctx, quietPoll); err != nil {
			return requests{}, fmt.Errorf("requests keep coming, at last %s: %w", newest, err)
		}
		now, err := c.requests(ctx)
		if err != nil {
			return requests{}, err
		}
		if delta := now.calls.since(last.calls).only(onKeysOrEvents); len(delta) > 0 {
			newest, quietSince = delta, time.Now()
		}
		last = now
	}

	return last, nil
}
