// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit_test

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/access"
)

// slots is how many a cluster has.
const slots = 16384

// node is a server with ports.
type node struct {
	*server

	address string
	bus     string
	id      string
}

// startNode starts a server that listens on a port, too.
func startNode(t *testing.T, flags ...string) *node {
	t.Helper()
	n := &node{address: closed(t), bus: closed(t)}
	_, port, _ := net.SplitHostPort(n.address)
	_, bus, _ := net.SplitHostPort(n.bus)
	for i, flag := range flags {
		flags[i] = strings.ReplaceAll(flag, "BUS", bus)
	}
	n.server = startServer(t, append([]string{"--port", port, "--bind", "127.0.0.1"}, flags...)...)

	return n
}

// startCluster starts three masters that share the slots evenly, and a replica of the first: nodes 0 to 3.
func startCluster(t *testing.T) []*node {
	t.Helper()
	var nodes []*node
	for range 4 {
		n := startNode(t, "--cluster-enabled", "yes", "--cluster-port", "BUS", "--cluster-node-timeout", "2000", "--cluster-replica-validity-factor", "0")
		n.id, _ = n.do("CLUSTER", "MYID").(string)
		nodes = append(nodes, n)
	}
	for i, n := range nodes[:3] {
		n.do("CLUSTER", "ADDSLOTSRANGE", i*slots/3, (i+1)*slots/3-1)
		n.do("CLUSTER", "SET-CONFIG-EPOCH", i+1)
	}
	for _, n := range nodes[1:] {
		_, bus, _ := net.SplitHostPort(n.bus)
		host, port, _ := net.SplitHostPort(n.address)
		nodes[0].do("CLUSTER", "MEET", host, port, bus)
	}
	eventually(t, "met", func() bool {
		for _, n := range nodes {
			if known, _ := n.do("CLUSTER", "NODES").(string); strings.Count(known, "connected") < len(nodes) || strings.Contains(known, "handshake") {
				return false
			}
		}

		return true
	})
	nodes[3].do("CLUSTER", "REPLICATE", nodes[0].id)
	eventually(t, "a cluster", func() bool {
		for _, n := range nodes {
			if info, _ := n.do("CLUSTER", "INFO").(string); !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_known_nodes:4") {
				return false
			}
		}
		replication, _ := nodes[3].do("INFO", "replication").(string)

		return strings.Contains(replication, "master_link_status:up")
	})

	return nodes
}

// clusterURL is the URL of a cluster of which these nodes are known.
func clusterURL(nodes ...*node) string {
	addresses := make([]string, 0, len(nodes))
	for _, n := range nodes {
		addresses = append(addresses, n.address)
	}

	return (&url.URL{Scheme: "redis+cluster", User: url.UserPassword("", password), Host: strings.Join(addresses, ",")}).String()
}

// slotOf is the slot of a key's bucket.
func (n *node) slotOf(uid string) int64 {
	slot, _ := n.do("CLUSTER", "KEYSLOT", "apikey-operator:ratelimit:"+uid).(int64)

	return slot
}

// uidOf is a uid whose bucket is on one of the first three nodes.
func uidOf(nodes []*node, owner int) string {
	for i := 0; ; i++ {
		if uid := strconv.Itoa(i); int(nodes[0].slotOf(uid)*3/slots) == owner {
			return uid
		}
	}
}

// wantLeft takes one request from each replica in turn, and wants that many left after the last.
func wantLeft(t *testing.T, uid string, limit access.Limit, left int64, replicas ...replica) {
	t.Helper()
	for i, r := range replicas {
		if got := r.Take(t.Context(), uid, limit); !got.Granted || got.Remaining != left+int64(len(replicas)-1-i) {
			t.Errorf("replica %d: quota is %+v, want %d left", i, got, left+int64(len(replicas)-1-i))
		}
	}
}

func TestClusterSharesLimits(t *testing.T) {
	t.Parallel()
	nodes := startCluster(t)
	first, second := newReplica(t, clusterURL(nodes[1]), patient), newReplica(t, clusterURL(nodes...), patient)
	first.wantUp(t)
	second.wantUp(t)
	limit := access.Limit{Requests: 6, Per: day}
	atOnce(200, func(key int) {
		granted := 0
		for i := range 12 {
			if []replica{first, second}[i%2].Take(t.Context(), strconv.Itoa(key), limit).Granted {
				granted++
			}
		}
		if granted != 6 {
			t.Errorf("key %d: %d were granted, want 6", key, granted)
		}
	})
	for _, r := range []replica{first, second} {
		r.wantMetric(t, "fallback_total", 0)
		r.wantUp(t)
	}
	for i, n := range nodes[:3] {
		if keys, _ := n.do("DBSIZE").(int64); keys < 30 {
			t.Errorf("node %d has %d keys, want about 66", i, keys)
		}
	}
}

// TestSlotMoves: while a slot is moved, servers answer ASK, and afterwards MOVED. Neither is an outage.
func TestSlotMoves(t *testing.T) {
	t.Parallel()
	nodes := startCluster(t)
	r, limit := newReplica(t, clusterURL(nodes...), bound/4), access.Limit{Requests: 100, Per: day}
	r.wantUp(t)
	uid := uidOf(nodes, 1)
	slot, key := nodes[0].slotOf(uid), "apikey-operator:ratelimit:"+uid
	wantLeft(t, uid, limit, 98, r, r)
	nodes[2].do("CLUSTER", "SETSLOT", slot, "IMPORTING", nodes[1].id)
	nodes[1].do("CLUSTER", "SETSLOT", slot, "MIGRATING", nodes[2].id)
	wantLeft(t, uid, limit, 97, r)
	host, port, _ := net.SplitHostPort(nodes[2].address)
	nodes[1].do("MIGRATE", host, port, key, 0, 10_000, "AUTH", password)
	wantLeft(t, uid, limit, 95, r, r) // ASK
	for _, i := range []int{2, 1, 0} {
		nodes[i].do("CLUSTER", "SETSLOT", slot, "NODE", nodes[2].id)
	}
	wantLeft(t, uid, limit, 93, r, r) // MOVED
	if taken, _ := nodes[2].do("GET", key).(string); !strings.HasPrefix(taken, "6.9") && !strings.HasPrefix(taken, "7 ") {
		t.Errorf("the bucket says %q, want 7 requests", taken)
	}
	r.wantMetric(t, "fallback_total", 0)
	r.wantUp(t)
}

// TestClusterFailsOver: a master dies, and its replica takes over. Keys of other servers notice nothing. Those of the dead
// one go on by what is known of them, and nothing is forgotten when the new master does not know all.
func TestClusterFailsOver(t *testing.T) {
	t.Parallel()
	nodes := startCluster(t)
	first, second := newReplica(t, clusterURL(nodes...), bound/4), newReplica(t, clusterURL(nodes...), bound/4)
	first.wantUp(t)
	second.wantUp(t)
	limit, dying, living := access.Limit{Requests: 100, Per: day}, uidOf(nodes, 0), uidOf(nodes, 2)
	wantLeft(t, dying, limit, 98, first, second)
	wantLeft(t, living, limit, 98, first, second)
	nodes[0].kill()
	first.wantDownFor(t, dying)
	left := first.Take(t.Context(), dying, limit).Remaining
	wantLeft(t, living, limit, 96, first, second)
	eventually(t, "failed over", func() bool {
		role, _ := nodes[3].do("ROLE").([]any)

		return role[0] == "master"
	})
	eventually(t, "up", func() bool { up, _ := first.metric(t, "store_up"); return up == 1 })
	eventually(t, "up", func() bool { up, _ := second.metric(t, "store_up"); return up == 1 })
	fellBack, _ := first.metric(t, "fallback_total")
	wantLeft(t, dying, limit, left-2, first, second) // the second learns it from the store
	wantLeft(t, living, limit, 94, first, second)
	first.wantMetric(t, "fallback_total", fellBack)
	nodes[0].start() // it comes back as a replica
	eventually(t, "a replica", func() bool {
		role, _ := nodes[0].do("ROLE").([]any)

		return role[0] == "slave"
	})
	wantLeft(t, dying, limit, left-4, first, second)
}

// TestNodeThatHangsHoldsUpNoOther: requests for other servers of the cluster are decided by them meanwhile, without delay.
func TestNodeThatHangsHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	nodes := startCluster(t)
	for _, n := range nodes[1:] {
		n.do("CONFIG", "SET", "cluster-node-timeout", 600_000) // no failover
		n.do("CONFIG", "SET", "cluster-replica-no-failover", "yes")
	}
	first, second := newReplica(t, clusterURL(nodes...), bound), newReplica(t, clusterURL(nodes...), bound)
	first.wantUp(t)
	second.wantUp(t)
	limit, hanging, living := access.Limit{Requests: 200, Per: day}, uidOf(nodes, 0), uidOf(nodes, 2)
	nodes[0].signal(syscall.SIGSTOP)
	defer nodes[0].signal(syscall.SIGCONT)
	stop := make(chan struct{})
	go func() { // requests for the server that hangs, all the time
		defer close(stop)
		atOnce(50, func(i int) {
			for range 5 {
				first.Take(t.Context(), hanging, limit)
			}
		})
	}()
	for i := range int64(50) {
		wantLeft(t, living, limit, 198-2*i, first, second)
	}
	<-stop
	first.wantDownFor(t, hanging)
	for i := range int64(50) {
		wantLeft(t, living, limit, 98-2*i, first, second)
	}
}

// TestClusterThatIsDown: without all of its slots a cluster answers CLUSTERDOWN.
func TestClusterThatIsDown(t *testing.T) {
	t.Parallel()
	nodes := startCluster(t)
	r := newReplica(t, clusterURL(nodes...), bound/4)
	r.wantUp(t)
	limit, uid := access.Limit{Requests: 100, Per: day}, uidOf(nodes, 2)
	wantLeft(t, uid, limit, 99, r)
	nodes[0].do("CLUSTER", "DELSLOTS", 5)
	nodes[1].do("CLUSTER", "DELSLOTS", 5)
	nodes[2].do("CLUSTER", "DELSLOTS", 5)
	r.wantDown(t, false)
	eventually(t, "logged", func() bool { return len(r.log.lines()) > 0 })
	r.wantLog(t, "WARN CLUSTERDOWN")
	wantLeft(t, uid, limit, 97, r, r)
	for _, n := range nodes[:3] {
		if n == nodes[0] {
			n.do("CLUSTER", "ADDSLOTS", 5)
		} else {
			n.do("CLUSTER", "SETSLOT", 5, "NODE", nodes[0].id)
		}
	}
	eventually(t, "up", func() bool { up, _ := r.metric(t, "store_up"); return up == 1 })
	wantLeft(t, uid, limit, 96, r)
	r.wantLog(t, "WARN CLUSTERDOWN", "INFO answers again")
}

// wantDownFor waits until a request of this key is decided without waiting for the store.
func (r replica) wantDownFor(t *testing.T, uid string) {
	t.Helper()
	eventually(t, fmt.Sprintf("down for %s", uid), func() bool {
		waited, _ := r.metric(t, "store_duration_seconds")
		r.Take(t.Context(), uid, access.Limit{Requests: 100, Per: day})
		after, _ := r.metric(t, "store_duration_seconds")

		return after == waited
	})
}
