// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

const (
	// quietFor is how long no request may have come for the operator to count as done.
	quietFor = 2 * time.Second
	// quietPoll is how often the API server is asked for its counters meanwhile.
	quietPoll = 500 * time.Millisecond
)

// A call is a kind of request, as the API server counts it.
type call struct{ verb, group, resource, subresource string }

// calls is how many requests of each kind there were.
type calls map[call]int

// A filter picks kinds of requests.
type filter func(call) bool

// onKeys picks the resources that hold keys: APIKeys and Secrets.
func onKeys(c call) bool {
	return c.group == v1alpha1.GroupName && c.resource == "apikeys" || c.group == "" && c.resource == "secrets"
}

func onEvents(c call) bool { return c.resource == "events" }

func onKeysOrEvents(c call) bool { return onKeys(c) || onEvents(c) }

func onLeases(c call) bool { return c.resource == "leases" }

func isGet(c call) bool { return c.verb == http.MethodGet }

// isWatch picks watches, also those that begin with a list of what is there.
func isWatch(c call) bool { return strings.HasPrefix(c.verb, "WATCH") }

func isListOrWatch(c call) bool { return c.verb == "LIST" || isWatch(c) }

func isWrite(c call) bool { return !isGet(c) && !isListOrWatch(c) }

// isSingle picks requests for one object.
func isSingle(c call) bool { return !isListOrWatch(c) }

// count adds up the requests that pass all filters.
func (c calls) count(filters ...filter) int {
	n := 0
	for kind, count := range c {
		if passes(kind, filters) {
			n += count
		}
	}

	return n
}

// only keeps the kinds of requests that pass all filters.
func (c calls) only(filters ...filter) calls {
	kept := calls{}
	for kind, count := range c {
		if passes(kind, filters) {
			kept[kind] = count
		}
	}

	return kept
}

func passes(kind call, filters []filter) bool {
	return !slices.ContainsFunc(filters, func(f filter) bool { return !f(kind) })
}

// since is what came on top of an earlier count.
func (c calls) since(before calls) calls {
	delta := calls{}
	for kind, count := range c {
		if n := count - before[kind]; n != 0 {
			delta[kind] = n
		}
	}

	return delta
}

// plus is the sum of two counts.
func (c calls) plus(other calls) calls {
	sum := calls{}
	maps.Copy(sum, c)
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

// requests is what an API server tells of the work that it has had.
type requests struct {
	calls calls
	// cpu is the processor time that it has taken.
	cpu time.Duration
}

// parseRequests reads the metrics of an API server.
//
// A watch is counted when it begins: the API server itself adds it to its counter when it ends, so the ones
// that are open come on top.
func parseRequests(metrics io.Reader) (requests, error) {
	families, err := parseMetrics(metrics)
	if err != nil {
		return requests{}, err
	}
	counted := families["apiserver_request_total"]
	if counted == nil {
		return requests{}, errors.New("the API server's metrics hold no apiserver_request_total")
	}
	c := calls{}
	for _, m := range counted.GetMetric() {
		c[callOf(m)] += int(m.GetCounter().GetValue())
	}
	for _, m := range families["apiserver_longrunning_requests"].GetMetric() {
		if kind := callOf(m); isWatch(kind) {
			c[kind] += int(m.GetGauge().GetValue())
		}
	}

	return requests{calls: c, cpu: cpuTime(families)}, nil
}

func callOf(m *dto.Metric) call {
	var c call
	for _, label := range m.GetLabel() {
		switch label.GetName() {
		case "verb":
			c.verb = label.GetValue()
		case "group":
			c.group = label.GetValue()
		case "resource":
			c.resource = label.GetValue()
		case "subresource":
			c.subresource = label.GetValue()
		}
	}

	return c
}

// requests asks the API server how many requests it has had so far.
func (c *cluster) requests(ctx context.Context) (requests, error) {
	page, err := url.JoinPath(c.plane.Config.Host, "metrics")
	if err != nil {
		return requests{}, err
	}
	body, err := get(ctx, c.http, page)
	if err != nil {
		return requests{}, fmt.Errorf("count API calls: %w", err)
	}
	defer func() { _ = body.Close() }()

	return parseRequests(body)
}

// quietRequests is how many requests there were once no more come for APIKeys, Secrets and Events.
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
