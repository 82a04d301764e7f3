// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ratelimit_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
)

// bound is the longest that a request may take here. The time-out is shorter; a busy machine is not what is tested.
const bound = 2 * time.Second

// wantLocal takes more than a limit allows, and wants what the replica's own buckets grant: the limit, in full. It wants
// answers in time, and attempts at the store only until it is left alone and once a second from then on.
func (r replica) wantLocal(t *testing.T, uid string) {
	t.Helper()
	limit := access.Limit{Requests: 200, Per: day}
	tried, _ := r.metric(t, "store_duration_seconds")
	fellBack, _ := r.metric(t, "fallback_total")
	start, granted := time.Now(), 0
	for range 300 {
		began := time.Now()
		if r.Take(t.Context(), uid, limit).Granted {
			granted++
		}
		if took := time.Since(began); took > bound {
			t.Errorf("a request took %s", took)
		}
	}
	if granted != 200 {
		t.Errorf("%d requests were granted, want the 200 of the limit", granted)
	}
	attempts, _ := r.metric(t, "store_duration_seconds")
	if most := 3 + int(time.Since(start).Seconds()); int(attempts-tried) > most || attempts-tried < 3 {
		t.Errorf("the store was tried %v times, want 3 to %d", attempts-tried, most)
	}
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

func TestStoreGoesAndComes(t *testing.T) {
	for name, c := range map[string]struct{ goes, comes func(*server) }{
		"killed":  {(*server).kill, (*server).start},
		"stopped": {func(s *server) { s.signal(syscall.SIGSTOP) }, func(s *server) { s.signal(syscall.SIGCONT) }},
		"held up": {func(s *server) { s.do("CLIENT", "PAUSE", 600_000, "WRITE") }, func(s *server) { s.do("CLIENT", "UNPAUSE") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t)
			r := newReplica(t, s.url(), bound/10)
			limit := access.Limit{Requests: 1000, Per: day}
			for want := range int64(3) {
				if got := r.Take(t.Context(), "a", limit); got.Remaining != 999-want {
					t.Errorf("%d remain, want %d", got.Remaining, 999-want)
				}
			}
			r.wantMetric(t, "store_up", 1)
			r.wantLog(t)
			for round := range 2 { // what is told once each time, and not once for good
				c.goes(s)
				r.wantLocal(t, "outage "+string(rune('1'+round)))
				tried, _ := r.metric(t, "store_duration_seconds")
				eventually(t, "asked again", func() bool {
					r.Take(t.Context(), "probe", limit)
					attempts, _ := r.metric(t, "store_duration_seconds")

					return attempts > tried
				})
				r.wantLog(t, []string{"WARN does not answer", "INFO answers again", "WARN does not answer"}[:2*round+1]...)
				c.comes(s)
				eventually(t, "back", func() bool {
					r.Take(t.Context(), "probe", limit)
					up, _ := r.metric(t, "store_up")

					return up == 1
				})
				r.wantLog(t, []string{"WARN does not answer", "INFO answers again", "WARN does not answer", "INFO answers again"}[:2*round+2]...)
				fellBack, _ := r.metric(t, "fallback_total")
				r.Take(t.Context(), "a", limit)
				r.wantMetric(t, "fallback_total", fellBack)
			}
		})
	}
}

func TestStoreThatNeverWas(t *testing.T) {
	for name, c := range map[string]struct {
		url  func(*testing.T) string
		want string
	}{
		"no socket": {func(t *testing.T) string {
			return (&url.URL{Scheme: "unix", User: url.UserPassword("a", password), Path: filepath.Join(t.TempDir(), "none")}).String()
		}, "no such file"},
		"a port where nobody listens": {func(t *testing.T) string {
			listener := listen(t)
			_ = listener.Close() // so that its port is free

			return (&url.URL{Scheme: "redis", User: url.UserPassword("a", password), Host: listener.Addr().String()}).String()
		}, "connection refused"},
		"somebody who never says a word": {func(t *testing.T) string {
			return (&url.URL{Scheme: "redis", User: url.UserPassword("a", password), Host: listen(t).Addr().String()}).String()
		}, "timeout"},
		"somebody who speaks no TLS": {func(t *testing.T) string {
			return (&url.URL{Scheme: "rediss", User: url.UserPassword("a", password), Host: listen(t).Addr().String()}).String()
		}, "deadline exceeded"},
		"somebody who takes too long all in all": {func(t *testing.T) string {
			return (&url.URL{Scheme: "redis", User: url.UserPassword("", password), Host: slowly(t, startServer(t), bound*6/10/20)}).String()
		}, "timeout"},
		"another password": {func(t *testing.T) string {
			return strings.Replace(startServer(t).url(), "sesame", "sesame2", 1)
		}, "WRONGPASS"},
		"a server that quotes the password": {func(t *testing.T) string {
			s := startServer(t, "--rename-command", "AUTH", "", "--rename-command", "HELLO", "")

			return strings.Replace(s.url(), "://:", "://somebody:", 1)
		}, "'[redacted]'"},
		"a server without room": {func(t *testing.T) string {
			return startServer(t, "--maxmemory", "1", "--maxmemory-policy", "noeviction").url()
		}, "OOM"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReplica(t, c.url(t), bound/20)
			r.wantLocal(t, "a")
			r.wantLog(t, "WARN "+c.want)
		})
	}
}

func TestTLSIsSpokenWhereItIsAskedFor(t *testing.T) {
	listener := listen(t)
	r := newReplica(t, "rediss://"+listener.Addr().String(), bound/10)
	r.Take(t.Context(), "a", access.Limit{Requests: 1, Per: day})
	connection, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }() // nothing was written
	const handshake = 0x16                    // RFC 8446, section 5.1
	first := make([]byte, 1)
	if _, err := io.ReadFull(connection, first); err != nil || first[0] != handshake {
		t.Errorf("the first byte is %#x (%v), want that of a TLS handshake", first, err)
	}
}

func TestWaitsTenMillisecondsUnlessToldOtherwise(t *testing.T) {
	s := startServer(t)
	r := newReplica(t, s.url(), 0)
	s.signal(syscall.SIGSTOP)
	for range 3 {
		r.Take(t.Context(), "a", access.Limit{Requests: 1, Per: day})
	}
	attempts, waited := r.metric(t, "store_duration_seconds")
	if least, most := attempts*ratelimit.DefaultTimeout.Seconds(), attempts*bound.Seconds()/8; attempts != 3 || waited < least || waited > most {
		t.Errorf("%v attempts waited for %vs, want 3 and %vs, or a little more", attempts, waited, least)
	}
}

// TestCallerThatGoesAwayIsNoOutage: clients hang up all the time.
func TestCallerThatGoesAwayIsNoOutage(t *testing.T) {
	s := startServer(t)
	r := newReplica(t, s.url(), patient)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 {
		if !r.Take(ctx, "a", access.Limit{Requests: 10, Per: day}).Granted {
			t.Error("a request was refused")
		}
	}
	r.wantMetric(t, "fallback_total", 0)
	r.wantMetric(t, "store_up", 1)
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
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r.wantLocal(t, "a")
}

// slowly is the address of a proxy that holds up each answer of a server. A new connection needs two: one about the
// password, one about the limit.
func slowly(t *testing.T, s *server, wait time.Duration) string {
	t.Helper()
	listener := listen(t)
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			upstream, err := (&net.Dialer{}).DialContext(t.Context(), "unix", s.socket)
			if err != nil {
				_ = client.Close() // as if the server had

				return
			}
			go func() {
				_, _ = io.Copy(upstream, client) // until the client has gone
				_ = upstream.Close()
			}()
			go func() {
				_, _ = io.Copy(client, delayed{upstream, wait}) // until the server has gone
				_ = client.Close()
			}()
		}
	}()

	return listener.Addr().String()
}

// delayed is a reader that holds back what it has read.
type delayed struct {
	io.Reader

	wait time.Duration
}

func (d delayed) Read(p []byte) (int, error) {
	n, err := d.Reader.Read(p)
	timer := time.NewTimer(d.wait)
	<-timer.C

	return n, err
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
