// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	stdlog "log"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/grpclog"
	"google.golang.org/grpc/status"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/apikey-operator/apikey-operator/internal/connlimit"
	"github.com/apikey-operator/apikey-operator/internal/program"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// lines is a log that many may write to at once.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.text.String()
}

// hide are ways to write a key that a reader of the log could undo.
func hide(key string) []string {
	return []string{
		key, strings.ReplaceAll(key, "_", "%5f"), "%zz/" + strings.ReplaceAll(key, "_", "%5f"), strings.ReplaceAll(key, "_", "%2525255f"),
	}
}

// expectScrubbed expects that something was logged, in lines of at most 2 KiB, and no key.
func expectScrubbed(t *testing.T, log *lines, what, key string) {
	t.Helper()
	text := log.String()
	if text == "" {
		t.Errorf("%s: nothing was logged", what)
	}
	for line := range strings.Lines(text) {
		if len(line) > 2048 {
			t.Errorf("%s: a line of %d bytes", what, len(line))
		}
	}
	if random := key[len(key)-49:]; strings.Contains(text, random) || strings.Contains(text, random[:20]) {
		t.Errorf("%s: the log holds the key: %s", what, text)
	}
}

// Every library that has a logger of its own writes to the scrubbed log.
func TestLibrariesLogNoKeys(t *testing.T) {
	key := testkit.ForeignKey()
	before, flags, out := slog.Default(), stdlog.Flags(), stdlog.Writer()
	t.Cleanup(func() { slog.SetDefault(before); stdlog.SetFlags(flags); stdlog.SetOutput(out); klog.ClearLogger() })
	for name, write := range map[string]func(text string){
		"log":  func(text string) { stdlog.Printf("failed: %s", text) },
		"slog": func(text string) { slog.Error(text, "a", text) },
		"klog": func(text string) { klog.ErrorS(fmt.Errorf("failed: %s", text), text) },
		"gRPC": func(text string) { grpclog.Errorf("failed: %s", text) },
	} {
		for _, text := range hide(key) {
			var log lines
			setLogs(&log)
			write(text)
			expectScrubbed(t, &log, name, key)
		}
	}
	setLogs(io.Discard)
}

// setLogs makes every library log as in Run.
func setLogs(to io.Writer) {
	log := program.NewLog(slog.LevelInfo, to)
	program.SetLibraryLogs(log)
	setGRPCLog(log)
}

// A call that panics ends with an error, and the verifier lives on.
func TestPanicsOverGRPC(t *testing.T) {
	key := testkit.ForeignKey()
	for _, text := range hide(key) {
		var log lines
		c := &components{log: program.NewLog(slog.LevelInfo, &log)}
		answer, err := c.recoverPanics(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: "/a/b"}, func(context.Context, any) (any, error) { panic(text) })
		if answer != nil || status.Code(err) != codes.Internal || strings.Contains(err.Error(), text) {
			t.Errorf("answered %v, %v", answer, err)
		}
		expectScrubbed(t, &log, "a panic", key)
	}
}

// What net/http logs about a request that makes no sense is scrubbed, too.
func TestHTTPServerLogsNoKeys(t *testing.T) {
	key := testkit.ForeignKey()
	for _, text := range hide(key) {
		var log lines
		c := &components{log: program.NewLog(slog.LevelInfo, &log), core: testkit.PanickingVerifier(t, text)}
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := c.newHTTPServer(connlimit.Listen(listener, connlimit.Options{
			Connections: 10, Clock: clock.RealClock{}, Evicted: prometheus.NewCounter(prometheus.CounterOpts{Name: "evicted"}),
		}), nil)
		served := make(chan error, 1)
		go func() { served <- server.serve() }()
		connection, err := new(net.Dialer).DialContext(t.Context(), "tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(
			connection,
			"GET /verify?environment=Production HTTP/1.1\r\nHost: v\r\nX-API-Key: %s\r\n\r\n",
			testkit.ForeignKey(),
		); err != nil {
			t.Fatal(err)
		}
		if answer, err := bufio.NewReader(connection).ReadString('\n'); err == nil {
			t.Errorf("a panic is answered %s", answer)
		}
		_ = connection.Close()
		server.stop(t.Context())
		if err := <-served; err != nil {
			t.Error(err)
		}
		expectScrubbed(t, &log, "a panic", key)
	}
}
