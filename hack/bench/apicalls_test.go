// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Kinds of requests in testdata/apiserver.metrics, which is from a kube-apiserver.
var (
	getSecret    = call{verb: "GET", resource: "secrets"}
	createSecret = call{verb: "POST", resource: "secrets"}
	watchSecrets = call{verb: "WATCH", resource: "secrets"}
	writeStatus  = call{verb: "PUT", group: "apikey-operator.io", resource: "apikeys", subresource: "status"}
	watchKeys    = call{verb: "WATCH", group: "apikey-operator.io", resource: "apikeys"}
	createEvent  = call{verb: "POST", group: "events.k8s.io", resource: "events"}
	renewLease   = call{verb: "PUT", group: "coordination.k8s.io", resource: "leases"}
	otherKeys    = call{verb: "GET", group: "example.com", resource: "apikeys"}
)

// requestsOf reads a page of metrics.
func requestsOf(page string) (requests, error) {
	found, err := parseMetrics(strings.NewReader(page))
	if err != nil {
		return requests{}, err
	}

	return requestsIn(found)
}

func TestRequestsIn(t *testing.T) {
	metrics, err := os.ReadFile("testdata/apiserver.metrics")
	if err != nil {
		t.Fatal(err)
	}
	got, err := requestsOf(string(metrics))
	if err != nil {
		t.Fatal(err)
	}
	want := calls{
		getSecret:    603, // 600 not found, 3 found
		createSecret: 600,
		writeStatus:  1200,
		watchKeys:    5, // 3 ended, 2 open
		watchSecrets: 1, // open
		createEvent:  55,
		renewLease:   7,
	}
	if diff := cmp.Diff(want, got.calls, cmp.AllowUnexported(call{})); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if want := 12500 * time.Millisecond; got.cpu != want {
		t.Errorf("processor time: got %s, want %s", got.cpu, want)
	}
}

func TestRequestsInRefuses(t *testing.T) {
	for name, metrics := range map[string]string{
		"a page of HTML":                      "<html>",
		"metrics of something else":           "# TYPE up gauge\nup 1\n",
		"nothing at all":                      "",
		"a counter that is cut in the middle": "# TYPE apiserver_request_total counter\napiserver_request_total{verb=\"GE",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := requestsOf(metrics); err == nil {
				t.Errorf("got %v, want an error", got)
			}
		})
	}
}

func TestCallsCount(t *testing.T) {
	all := calls{
		getSecret: 1, createSecret: 2, watchSecrets: 4, writeStatus: 8, watchKeys: 16, createEvent: 32, renewLease: 64, otherKeys: 128,
	}
	for name, c := range map[string]struct {
		filters []filter
		want    int
	}{
		"everything":                         {nil, 255},
		"reads of keys, not another group's": {[]filter{onKeys, isGet}, 1},
		"writes of keys":                     {[]filter{onKeys, isWrite}, 2 + 8},
		"lists and watches of keys":          {[]filter{onKeys, isListOrWatch}, 4 + 16},
		"requests for one object":            {[]filter{onKeys, isSingle}, 1 + 2 + 8},
		"writes of Events":                   {[]filter{onEvents, isWrite}, 32},
		"Leases":                             {[]filter{onLeases}, 64},
	} {
		t.Run(name, func(t *testing.T) {
			if got := all.count(c.filters...); got != c.want {
				t.Errorf("count: got %d, want %d", got, c.want)
			}
			if got := all.only(c.filters...).count(); got != c.want {
				t.Errorf("only: got %d, want %d", got, c.want)
			}
		})
	}
}

func TestCallsSinceAndPlus(t *testing.T) {
	before := calls{getSecret: 5, createSecret: 5}
	after := calls{getSecret: 7, createSecret: 5, writeStatus: 3}
	delta := after.since(before)
	if diff := cmp.Diff("GET secrets 2, PUT apikeys/status 3", delta.String()); diff != "" {
		t.Errorf("since (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(after, before.plus(delta), cmp.AllowUnexported(call{})); diff != "" {
		t.Errorf("plus (-want +got):\n%s", diff)
	}
}

func TestRounds(t *testing.T) {
	r := rounds{
		{keys: 101, took: time.Second, cpu: 200 * time.Millisecond, serverCPU: time.Second, calls: calls{writeStatus: 200}},
		{keys: 99, took: 980 * time.Millisecond, cpu: 100 * time.Millisecond, serverCPU: 600 * time.Millisecond, calls: calls{writeStatus: 200}},
	}
	if got, want := r.rate(), 198/1.98; got != want {
		t.Errorf("rate: got %v, want %v", got, want)
	}
	if got := r.perKey(onKeys, isWrite); got != 2 {
		t.Errorf("writes per key: got %v, want 2", got)
	}
	if minter, server := r.cpuPerKey(); minter != 1.5 || server != 8 {
		t.Errorf("CPU per key: got %v ms and %v ms, want 1.5 ms and 8 ms", minter, server)
	}
}
