// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit_test

import (
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// bound is the longest that a request may take here. The time-out is shorter; a busy machine is not what is tested.
const bound = 2 * time.Second

// wantDown waits until the store is known to be down, with requests or without.
func (r replica) wantDown(t *testing.T, asking bool) {
	t.Helper()
	eventually(t, "down", func() bool {
		if asking {
			r.Take(t.Context(), "asking", access.Limit{Requests: 1_000_000, Per: day})
		}
		up, _ := r.metric(t, "store_up")

		return up == 0
	})
}

// wantLocal takes more than a limit allows from a store that is down, and wants what the replica's own bucket grants: the
// limit, in full, for a key of which nothing is known. No request waits for the store.
func (r replica) wantLocal(t *testing.T, uid string) {
	t.Helper()
	limit := access.Limit{Requests: 200, Per: day}
	waited, _ := r.metric(t, "store_duration_seconds")
	fellBack, _ := r.metric(t, "fallback_total")
	granted := 0
	for range 300 {
		if r.Take(t.Context(), uid, limit).Granted {
			granted++
		}
	}
	if granted != 200 {
		t.Errorf("%d requests were granted, want the 200 of the limit", granted)
	}
	r.wantMetric(t, "store_duration_seconds", waited)
	r.wantMetric(t, "fallback_total", fellBack+300)
	r.wantMetric(t, "store_up", 0)
}

// wantLog compares what was logged: a level and a piece of each line, and no password.
func (r replica) wantLog(t *testing.T, want ...string) {
	t.Helper()
	lines := r.log.lines()
	if len(lines) != len(want) {
		t.Fatalf("the log is\n%s\nwant %d lines", strings.Join(lines, ""), len(want))
	}
	for i, words := range want {
		level, piece, _ := strings.Cut(words, " ")
		if !strings.Contains(lines[i], "level="+level+" ") || !strings.Contains(lines[i], piece) {
			t.Errorf("the log says\n%s\nwant %q", lines[i], words)
		}
		if strings.Contains(lines[i], "sesame") {
			t.Errorf("the password is in the log: %s", lines[i])
		}
	}
}

// outages are the ways in which a store goes and comes.
func outages() map[string]struct{ goes, comes func(*server) } {
	return map[string]struct{ goes, comes func(*server) }{
		"killed":  {(*server).kill, (*server).start},
		"stopped": {func(s *server) { s.signal(syscall.SIGSTOP) }, func(s *server) { s.signal(syscall.SIGCONT) }},
		"held up": {func(s *server) { s.do("CLIENT", "PAUSE", 600_000, "WRITE") }, func(s *server) { s.do("CLIENT", "UNPAUSE") }},
	}
}

// TestStoreGoesAndComes: the replica notices with requests and without them, and goes on with what it knows of each key.
func TestStoreGoesAndComes(t *testing.T) {
	for name, c := range outages() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t)
			r := newReplica(t, s.url(), bound/10)
			limit, left := access.Limit{Requests: 1000, Per: day}, int64(1000)
			take := func(r replica) {
				t.Helper()
				left--
				if got := r.Take(t.Context(), "a", limit); got.Remaining != left {
					t.Errorf("%d remain, want %d", got.Remaining, left)
				}
			}
			r.wantUp(t)
			take(r)
			take(r)
			var log []string
			for round := range 2 { // what is told once each time, and not once for good
				c.goes(s)
				r.wantDown(t, round == 0)
				r.wantLocal(t, "outage "+string(rune('1'+round)))
				take(r)
				take(r)
				log = append(log, "WARN does not answer")
				r.wantLog(t, log...)
				c.comes(s)
				eventually(t, "back", func() bool { up, _ := r.metric(t, "store_up"); return up == 1 })
				log = append(log, "INFO answers again")
				r.wantLog(t, log...)
				fellBack, _ := r.metric(t, "fallback_total")
				take(r)
				r.wantMetric(t, "fallback_total", fellBack)
				take(newReplica(t, s.url(), patient)) // the store knows now what was granted without it
				take(r)
			}
		})
	}
}

// TestNoOutageGrantsMoreThanTheLimit asks all the time while the store goes and comes: one replica grants what the limits
// say and no more, and no request waits for long.
func TestNoOutageGrantsMoreThanTheLimit(t *testing.T) {
	const workers, keys, share = 32, 6, 10
	for name, c := range outages() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t)
			r := newReplica(t, s.url(), bound/20)
			var granted [keys]atomic.Int64
			limit := func(key int) access.Limit { return access.Limit{Requests: 200 * int32(key+1), Per: day} } //nolint:gosec // 6 keys
			for range 2 {
				for _, change := range []func(*server){c.goes, c.comes} {
					begun, done := make(chan struct{}), make(chan struct{})
					go func() {
						defer close(done)
						r.askAll(t, workers, share, limit, granted[:], begun)
					}()
					<-begun
					change(s) // in the midst of the requests
					<-done
				}
			}
			for key := range granted { // each was asked for 1,280 times
				if got, want := granted[key].Load(), int64(limit(key).Requests); got != want {
					t.Errorf("key %d: %d were granted, want %d", key, got, want)
				}
			}
		})
	}
}

// askAll has workers ask for each key a number of times. The channel closes when the first has asked for all keys once.
func (r replica) askAll(t *testing.T, workers, times int, limit func(int) access.Limit, granted []atomic.Int64, begun chan struct{}) {
	atOnce(workers, func(worker int) {
		for round := range times {
			for key := range granted {
				began := time.Now()
				if r.Take(t.Context(), "key "+string(rune('0'+key)), limit(key)).Granted {
					granted[key].Add(1)
				}
				if took := time.Since(began); took > bound {
					t.Errorf("a request took %s", took)
				}
			}
			if worker == 0 && round == 0 {
				close(begun)
			}
		}
	})
}

// TestOutageForgetsNothing: what a store has said of a key holds on while it is away, also what other replicas have taken.
func TestOutageForgetsNothing(t *testing.T) {
	for name, c := range outages() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t)
			limit := access.Limit{Requests: 10, Per: day}
			first, second := newReplica(t, s.url(), bound/10), newReplica(t, s.url(), bound/10)
			first.wantUp(t)
			second.wantUp(t)
			for range 10 {
				first.Take(t.Context(), "used up", limit)
			}
			for range 5 {
				first.Take(t.Context(), "half", limit)
			}
			if second.Take(t.Context(), "used up", limit).Granted {
				t.Error("granted what another replica has used up")
			}
			if got := second.Take(t.Context(), "half", limit); got.Remaining != 4 {
				t.Errorf("%d remain, want 4", got.Remaining)
			}
			c.goes(s)
			second.wantDown(t, true)
			if got := second.Take(t.Context(), "used up", limit); got.Granted || got.RetryAfter < 2*time.Hour {
				t.Errorf("quota is %+v, want a refusal for 2.4 hours", got)
			}
			granted := 0
			for range 10 {
				if second.Take(t.Context(), "half", limit).Granted {
					granted++
				}
			}
			if granted != 4 {
				t.Errorf("%d were granted, want the 4 that were left", granted)
			}
			c.comes(s)
		})
	}
}

// TestStoreBeyondTheTimeOutIsDown: requests do not wait for a store that never answers in time.
func TestStoreBeyondTheTimeOutIsDown(t *testing.T) {
	r := newReplica(t, distant(t, startServer(t), bound/20), bound/20)
	eventually(t, "logged", func() bool { return len(r.log.lines()) > 0 })
	r.wantLocal(t, "a")
	r.wantLog(t, "WARN timeout")
}

func TestStoreThatNeverWas(t *testing.T) {
	for name, c := range map[string]struct {
		url    func(*testing.T) string
		want   string
		silent bool // nothing ever answers
	}{
		"no socket": {func(t *testing.T) string {
			return (&url.URL{Scheme: "unix", User: url.UserPassword("a", password), Path: filepath.Join(t.TempDir(), "none")}).String()
		}, "no such file", false},
		"a port where nobody listens": {func(t *testing.T) string {
			return (&url.URL{Scheme: "redis", User: url.UserPassword("a", password), Host: closed(t)}).String()
		}, "connection refused", false},
		"a cluster of which no server is there": {func(t *testing.T) string {
			return (&url.URL{Scheme: "redis+cluster", User: url.UserPassword("a", password), Host: closed(t) + "," + closed(t)}).String()
		}, "connection refused", false},
		"sentinels of which none is there": {func(t *testing.T) string {
			return (&url.URL{Scheme: "redis+sentinel", User: url.UserPassword("a", password), Host: closed(t) + "," + closed(t), Path: "/master"}).String()
		}, "connection refused", false},
		"somebody who never says a word": {func(t *testing.T) string {
			return (&url.URL{Scheme: "redis", User: url.UserPassword("a", password), Host: listen(t).Addr().String()}).String()
		}, "timeout", true},
		"somebody who speaks no TLS": {func(t *testing.T) string {
			return (&url.URL{Scheme: "rediss", User: url.UserPassword("a", password), Host: listen(t).Addr().String()}).String()
		}, "deadline exceeded", true},
		"another password": {func(t *testing.T) string {
			return strings.Replace(startServer(t).url(), "sesame", "sesame2", 1)
		}, "WRONGPASS", false},
		"a server that quotes the password": {func(t *testing.T) string {
			s := startServer(t, "--rename-command", "AUTH", "", "--rename-command", "HELLO", "")

			return strings.Replace(s.url(), "://:", "://somebody:", 1)
		}, "'[redacted]'", false},
		"a server that quotes the beginning of a long password": {func(t *testing.T) string {
			s := startServer(t, "--rename-command", "AUTH", "", "--rename-command", "HELLO", "")

			return strings.Replace(s.url(), "://:", "://"+strings.Repeat("somebody", 12)+":", 1)
		}, "'[redacted]'", false},
		"a server without room": {func(t *testing.T) string {
			return startServer(t, "--maxmemory", "1", "--maxmemory-policy", "noeviction").url()
		}, "OOM", false},
		"a replica, which cannot write": {func(t *testing.T) string {
			return startServer(t, "--replicaof", "127.0.0.1", "1").url()
		}, "READONLY", false},
		"a replica that waits for its master": {func(t *testing.T) string {
			return startServer(t, "--replicaof", "127.0.0.1", "1", "--replica-serve-stale-data", "no").url()
		}, "MASTERDOWN", false},
		"a server that has no such database": {func(t *testing.T) string {
			return startServer(t, "--databases", "1").url() + "?db=7"
		}, "out of range", false},
		"a user who may run no scripts": {func(t *testing.T) string {
			s := startServer(t)
			s.do("ACL", "SETUSER", "somebody", "on", ">"+password, "~*", "+@all", "-@scripting")

			return strings.Replace(s.url(), "://:", "://somebody:", 1)
		}, "NOPERM", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			timeout := patient // the first failure is logged: it has to be the answer, on a busy machine too
			if c.silent {
				timeout = bound / 20
			}
			r := newReplica(t, c.url(t), timeout)
			r.wantMetric(t, "store_up", 0) // before anybody has asked
			eventually(t, "logged", func() bool { return len(r.log.lines()) > 0 })
			r.wantLocal(t, "a")
			r.wantLog(t, "WARN "+c.want)
		})
	}
}

// TestStoreIsAskedOnceASecondWhileItIsDown counts the connections that a replica makes to a server that breaks them all.
func TestStoreIsAskedOnceASecondWhileItIsDown(t *testing.T) {
	s := startServer(t)
	s.kill()
	p := startProxy(t, s, 0)
	r := newReplica(t, distantURL(p), bound/20)
	// Each of the eight senders connects once at the start, and may do so after the first failure is logged.
	eventually(t, "started", func() bool { return len(r.log.lines()) > 0 && p.connections() > 8 })
	began, before := time.Now(), p.connections()
	eventually(t, "asked again", func() bool {
		r.Take(t.Context(), "a", access.Limit{Requests: 1, Per: day})

		return p.connections() >= before+8
	})
	if took := time.Since(began); took < 3*time.Second {
		t.Errorf("eight times within %s, want about four seconds", took)
	}
	s.start()
	eventually(t, "up", func() bool { up, _ := r.metric(t, "store_up"); return up == 1 })
}

func TestWaitsAsLongAsToldAndNoLonger(t *testing.T) {
	for name, timeout := range map[string]time.Duration{"by default": 0, "when told": bound / 4} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t)
			r := newReplica(t, s.url(), timeout)
			r.wantUp(t)
			s.signal(syscall.SIGSTOP)
			if !r.Take(t.Context(), "a", access.Limit{Requests: 1, Per: day}).Granted {
				t.Error("refused for a store that does not answer")
			}
			want := timeout.Seconds()
			if timeout == 0 {
				want = ratelimit.DefaultTimeout.Seconds()
			}
			if _, waited := r.metric(t, "store_duration_seconds"); waited < want || waited > want+bound.Seconds() {
				t.Errorf("waited for %vs, want %vs, or a little more", waited, want)
			}
		})
	}
}

// TestRestartForgetsTheScript: a server that has started anew knows no scripts, and is sent it again.
func TestRestartForgetsTheScript(t *testing.T) {
	s := startServer(t)
	r := newReplica(t, s.url(), patient)
	limit := access.Limit{Requests: 10, Per: day}
	r.Take(t.Context(), "a", limit)
	s.do("SCRIPT", "FLUSH")
	if got := r.Take(t.Context(), "a", limit); got.Remaining != 8 {
		t.Errorf("quota is %+v, want 8 left", got)
	}
	r.wantMetric(t, "fallback_total", 0)
}

func TestClosedReplicaStillDecides(t *testing.T) {
	r := newReplica(t, startServer(t).url(), patient)
	r.wantUp(t)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	limit := access.Limit{Requests: 1, Per: day}
	if !r.Take(t.Context(), "a", limit).Granted || r.Take(t.Context(), "a", limit).Granted {
		t.Error("the replica's own bucket does not decide")
	}
	r.wantLog(t)
}

// listen listens on a port of its own and says nothing to whoever comes.
func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() }) // it may be closed already

	return listener
}

// closed returns an address on loopback that no server listens on yet. It is held for the test.
func closed(t *testing.T) string {
	t.Helper()

	return testkit.FreeAddress(t)
}
