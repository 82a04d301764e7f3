// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit_test

import (
	"context"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// sentinelPassword is that of every sentinel here: not that of the servers.
const sentinelPassword = "sentinels' sesame"

// sentinel is a real one.
type sentinel struct {
	address string
	admin   *redis.SentinelClient
}

// startSentinels starts three that watch a master by the name of "limits".
func startSentinels(t *testing.T, master *node) []*sentinel {
	t.Helper()
	program := testkit.FindProgram(t, "redis-server", "valkey-server", "redis-server")
	host, port, _ := net.SplitHostPort(master.address)
	sentinels := make([]*sentinel, 0, 3)
	for range 3 {
		s := &sentinel{address: closed(t)}
		_, own, _ := net.SplitHostPort(s.address)
		file := filepath.Join(t.TempDir(), "sentinel.conf")
		config := strings.Join([]string{
			"port " + own, "bind 127.0.0.1", "dir " + filepath.Dir(file), `requirepass "` + sentinelPassword + `"`,
			"sentinel monitor limits " + host + " " + port + " 2", `sentinel auth-pass limits "` + password + `"`,
			"sentinel down-after-milliseconds limits 1000", "sentinel failover-timeout limits 5000",
		}, "\n")
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		process := exec.CommandContext(context.Background(), program, file, "--sentinel")
		if err := process.Start(); err != nil {
			t.Fatal(err)
		}
		s.admin = redis.NewSentinelClient(&redis.Options{Addr: s.address, Password: sentinelPassword, DialerRetries: 1})
		t.Cleanup(func() {
			_ = process.Process.Kill()
			_ = process.Wait()
			_ = s.admin.Close() // the sentinel is gone
		})
		sentinels = append(sentinels, s)
	}
	eventually(t, "that the sentinels know each other and a replica", func() bool {
		for _, s := range sentinels {
			state, err := s.admin.Master(t.Context(), "limits").Result()
			if err != nil || state["num-other-sentinels"] != "2" || state["num-slaves"] != "1" || state["flags"] != "master" {
				return false
			}
		}

		return true
	})

	return sentinels
}

// startReplicated starts a master and a replica.
func startReplicated(t *testing.T) (master, replica *node) {
	t.Helper()
	master = startNode(t)
	host, port, _ := net.SplitHostPort(master.address)
	replica = startNode(t, "--replicaof", host, port)
	eventually(t, "replicated", replica.replicates)

	return master, replica
}

// replicates says whether a server is a replica in touch with its master.
func (n *node) replicates() bool {
	state, _ := n.do("INFO", "replication").(string)

	return strings.Contains(state, "role:slave") && strings.Contains(state, "master_link_status:up")
}

// isMaster says whether a server is one.
func (n *node) isMaster() bool {
	role, _ := n.do("ROLE").([]any)

	return role[0] == "master"
}

func sentinelURL(sentinels []*sentinel) string {
	addresses := make([]string, 0, len(sentinels))
	for _, s := range sentinels {
		addresses = append(addresses, s.address)
	}
	query := url.Values{"sentinel_password": {sentinelPassword}}

	return (&url.URL{
		Scheme: "redis+sentinel", User: url.UserPassword("", password), Host: strings.Join(addresses, ","), Path: "/limits/2", RawQuery: query.Encode(),
	}).String()
}

// TestSentinelsFailOver: a master goes, and a replica takes over. What was counted goes on, also what the old master was the
// last to know.
func TestSentinelsFailOver(t *testing.T) {
	for name, goes := range map[string]func(*testing.T, *node, *sentinel){
		"killed":  func(_ *testing.T, n *node, _ *sentinel) { n.kill() },
		"stopped": func(_ *testing.T, n *node, _ *sentinel) { n.signal(syscall.SIGSTOP) },
		"told to": func(t *testing.T, _ *node, s *sentinel) {
			if err := s.admin.Failover(t.Context(), "limits").Err(); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			master, standby := startReplicated(t)
			sentinels := startSentinels(t, master)
			first, second := newReplica(t, sentinelURL(sentinels), bound/4), newReplica(t, sentinelURL(sentinels[1:]), bound/4)
			first.wantUp(t)
			second.wantUp(t)
			limit, high := access.Limit{Requests: 1000, Per: day}, access.Limit{Requests: 1000, Burst: 1_000_000, Per: day}
			wantLeft(t, "a", limit, 996, first, second, first, second)
			goes(t, master, sentinels[0])
			eventually(t, "failed over", func() bool {
				first.Take(t.Context(), "b", high)

				return standby.isMaster()
			})
			for _, r := range []replica{first, second} {
				eventually(t, "asking the new master", func() bool {
					fellBack, _ := r.metric(t, "fallback_total")
					r.Take(t.Context(), "b", high)
					after, _ := r.metric(t, "fallback_total")

					return after == fellBack && standby.has("b")
				})
			}
			wantLeft(t, "a", limit, 992, first, second, first, second)
			eventually(t, "up", func() bool { up, _ := first.metric(t, "store_up"); return up == 1 })
			if lines := strings.Join(append(first.log.lines(), second.log.lines()...), ""); strings.Contains(lines, "sesame") {
				t.Errorf("a password is in the log:\n%s", lines)
			}
		})
	}
}

// has says whether a key has a bucket in database 2.
func (n *node) has(uid string) bool {
	n.t.Helper()
	found, err := n.admin.Eval(context.Background(), "redis.call('SELECT', 2) return redis.call('EXISTS', KEYS[1])",
		[]string{"apikey-operator:ratelimit:" + uid}).Int()
	if err != nil {
		n.t.Fatal(err)
	}

	return found == 1
}

// TestSentinelsWithoutAnAnswer: what is wrong with sentinels is in the log, and no password.
func TestSentinelsWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	master, _ := startReplicated(t)
	sentinels := startSentinels(t, master)
	for name, c := range map[string]struct{ old, new, want string }{
		"another name":               {"/limits/", "/others/", "all sentinels specified in configuration are unreachable"},
		"no password":                {"?sentinel_password=", "?sentinel_username=you&sentinel_password=not+", "WRONGPASS"},
		"another password of server": {"open", "closed", "WRONGPASS"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReplica(t, strings.Replace(sentinelURL(sentinels), c.old, c.new, 1), patient)
			eventually(t, "logged", func() bool { return len(r.log.lines()) > 0 })
			r.wantLog(t, "WARN "+c.want)
			r.wantLocal(t, "a")
		})
	}
}

// TestServerThatLoadsIsNoOutageForLong: a server that reads its data answers LOADING until it has.
func TestServerThatLoadsIsNoOutageForLong(t *testing.T) {
	t.Parallel()
	n := startNode(t, "--enable-debug-command", "yes")
	n.do("DEBUG", "POPULATE", 5000)
	n.do("SAVE")
	n.kill()
	n.flags = append(n.flags, "--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024")
	up := make(chan struct{})
	go func() {
		defer close(up)
		n.start()
	}()
	eventually(t, "loading", func() bool { return redis.HasErrorPrefix(n.admin.Ping(t.Context()).Err(), "LOADING") })
	r := newReplica(t, (&url.URL{Scheme: "redis", User: url.UserPassword("", password), Host: n.address}).String(), patient)
	eventually(t, "logged", func() bool { return len(r.log.lines()) > 0 })
	r.wantLog(t, "WARN LOADING")
	r.wantLocal(t, "b")
	<-up
	eventually(t, "up", func() bool { up, _ := r.metric(t, "store_up"); return up == 1 })
	wantLeft(t, "a", access.Limit{Requests: 100, Per: day}, 98, r, r)
}
