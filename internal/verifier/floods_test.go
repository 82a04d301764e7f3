// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

// enoughRequests is how many legitimate requests are made at least during an attack and after it.
const enoughRequests = 20

// podLimit is the memory limit of the Deployment, which TestDeployment pins.
const podLimit = 512 << 20

// TestFloods attacks a verifier as any pod could that reaches its ports and has no key: with ten times what once ended it. Its
// memory stays below half of the limit of its pod, and those with a key are answered meanwhile.
func TestFloods(t *testing.T) {
	plane := testkit.StartFor(t, testkit.Options{})
	plane.RunOperatorFor(t)
	install(t, plane)
	newGate(t, plane)
	admin, err := plane.Client()
	if err != nil {
		t.Fatal(err)
	}
	_, key := mintKey(t, admin, "legitimate")
	program := filepath.Join(t.TempDir(), "verifier")
	testkit.Build(t, program, "./cmd/verifier")
	for name, attack := range map[string]func(t *testing.T, v *victim){
		"2,500 gRPC streams that announce 4 MiB, and send what they may": announcedMessages,
		"450 connections with 1 MB of unfinished headers each":           unfinishedHeaders,
		"450 connections with unfinished headers to metrics and probes":  unfinishedHeadersToObservers,
		"6,000 requests whose bodies never arrive":                       bodiesThatNeverArrive,
		"5,000 connections that say nothing":                             silentConnections,
	} {
		t.Run(name, func(t *testing.T) {
			v := startVictim(t, program, key)
			asking := v.askOn(t)
			attack(t, v)
			asked, failed, p99 := asking()
			peak := v.memory(t, "VmHWM")
			t.Logf("peak %d MiB; %d legitimate requests, %d failed, p99 %s", peak>>20, asked, failed, p99)
			if peak >= podLimit/2 {
				t.Errorf("resident memory was %d MiB, of a limit of %d MiB", peak>>20, podLimit>>20)
			}
			if failed > 0 {
				t.Errorf("%d of %d legitimate requests were not answered 200", failed, asked)
			}
		})
	}
}

// victim is a verifier as a process of its own.
type victim struct {
	*instance

	pid int
	key string
}

func startVictim(t *testing.T, program, key string) *victim {
	t.Helper()
	v := &victim{key: key, instance: &instance{
		grpc: testkit.FreeAddress(t), http: testkit.FreeAddress(t), probes: testkit.FreeAddress(t), metrics: testkit.FreeAddress(t),
	}}
	log := filepath.Join(t.TempDir(), "log")
	cmd := exec.CommandContext(context.Background(), program, "--grpc-bind-address="+v.grpc, "--http-bind-address="+v.http,
		"--health-probe-bind-address="+v.probes, "--metrics-bind-address="+v.metrics, "--drain-delay=0s")
	cmd.Env = append(os.Environ(), "GOMEMLIMIT="+strconv.Itoa(podLimit))
	p, err := process.StartLogged(cmd, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Stop(nil, patience)
		if t.Failed() {
			text, _ := os.ReadFile(log)
			t.Logf("the verifier said\n%s", text[max(0, len(text)-4000):])
		}
	})
	v.pid = p.PID()
	eventually(t, "ready", v.ready)

	return v
}

// memory is what Linux says about the memory of the process, in bytes.
func (v *victim) memory(t *testing.T, name string) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", v.pid))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^` + name + `:\s+(\d+) kB$`).FindSubmatch(status)
	if found == nil {
		t.Fatalf("there is no %s: the process has ended", name)
	}
	kilobytes, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}

	return kilobytes << 10
}

// askOn asks as gateways do, over both interfaces, until the function is called.
func (v *victim) askOn(t *testing.T) func() (asked, failed int, p99 time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	gateway := startGRPCClient(t, v.grpc)
	var mu sync.Mutex
	var took []time.Duration
	var failed int
	var clients sync.WaitGroup
	for _, ask := range []func(context.Context, string) int{v.overHTTP, gateway.overGRPC} {
		clients.Go(func() {
			for ctx.Err() == nil {
				started := time.Now()
				code := ask(context.WithoutCancel(ctx), v.key)
				mu.Lock()
				took = append(took, time.Since(started))
				if code != http.StatusOK {
					failed++
					t.Logf("a legitimate request was answered %d", code)
				}
				mu.Unlock()
			}
		})
	}

	return func() (int, int, time.Duration) {
		// An attack can be over before a loaded machine has served enough requests to judge by.
		eventually(t, "enough legitimate requests", func(context.Context) bool {
			mu.Lock()
			defer mu.Unlock()

			return len(took) >= enoughRequests
		})
		cancel()
		clients.Wait()
		slices.Sort(took)

		return len(took), failed, took[len(took)*99/100]
	}
}

// attackers run many attackers at once, and wait until they have done what they can.
func attackers(t *testing.T, count int, attack func(connection net.Conn), address string) (open []net.Conn) {
	t.Helper()
	var mu sync.Mutex
	var running sync.WaitGroup
	slots := make(chan struct{}, 300)
	for range count {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			connection, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", address)
			if err != nil {
				return // turned away
			}
			_ = connection.SetWriteDeadline(time.Now().Add(2 * time.Second)) // it may not be read
			attack(connection)
			mu.Lock()
			open = append(open, connection)
			mu.Unlock()
		})
	}
	running.Wait()
	t.Cleanup(func() {
		for _, connection := range open {
			_ = connection.Close()
		}
	})

	return open
}

func write(connection net.Conn, text string) { _, _ = io.WriteString(connection, text) }

func unfinishedHeaders(t *testing.T, v *victim) { floodWithHeaders(t, v.http) }

func unfinishedHeadersToObservers(t *testing.T, v *victim) {
	floodWithHeaders(t, v.metrics, overTLS)
	floodWithHeaders(t, v.probes)
	eventually(t, "still ready", v.ready)
}

// overTLS makes the connection of an attacker one with TLS. It does the handshake with the first byte that is written.
func overTLS(connection net.Conn) net.Conn {
	return tls.Client(connection, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // an attacker does not care who answers
}

// floodWithHeaders sends headers without an end over many connections, which are wrapped first.
func floodWithHeaders(t *testing.T, address string, wrap ...func(net.Conn) net.Conn) {
	header := "X-Filler: " + strings.Repeat("a", 1000) + "\r\n"
	attackers(t, 450, func(connection net.Conn) {
		for _, w := range wrap {
			connection = w(connection)
		}
		write(connection, "GET /verify HTTP/1.1\r\nHost: v\r\n")
		for range 1000 {
			if _, err := io.WriteString(connection, header); err != nil {
				return
			}
		}
	}, address)
}

// bodiesThatNeverArrive expects that each is answered at once, and its connection closed.
func bodiesThatNeverArrive(t *testing.T, v *victim) {
	var answered atomic.Int64
	attackers(t, 6000, func(connection net.Conn) {
		write(connection, "POST /verify?environment=Production HTTP/1.1\r\nHost: v\r\nContent-Length: 1000000\r\n\r\n")
		_ = connection.SetReadDeadline(time.Now().Add(patience))
		answer, err := io.ReadAll(connection) // ends when the verifier closes the connection
		if err == nil && strings.HasPrefix(string(answer), "HTTP/1.1 401 ") {
			answered.Add(1)
		}
	}, v.http)
	if answered.Load() < 5990 { // one or another may have made room for a newer one
		t.Errorf("%d of 6,000 requests were answered and their connections closed", answered.Load())
	}
}

func silentConnections(t *testing.T, v *victim) {
	for _, address := range []string{v.http, v.grpc} {
		attackers(t, 2500, func(net.Conn) {}, address)
	}
}

// announcedMessages opens as many streams on each connection as it may, announces 4 MiB in each, and sends as much as the windows
// let it.
func announcedMessages(t *testing.T, v *victim) {
	const perConnection = 100
	attackers(t, 2500/perConnection, func(connection net.Conn) {
		write(connection, http2.ClientPreface)
		framer := http2.NewFramer(connection, connection)
		_ = framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
		var block strings.Builder
		encoder := hpack.NewEncoder(&block)
		for i := range uint32(perConnection) {
			block.Reset()
			for _, field := range [][2]string{
				{":method", "POST"}, {":scheme", "http"}, {":path", "/envoy.service.auth.v3.Authorization/Check"}, {":authority", "v"},
				{"content-type", "application/grpc"}, {"te", "trailers"},
			} {
				_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
			}
			stream := 2*i + 1
			_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: []byte(block.String()), EndHeaders: true})
			announced := append([]byte{0}, binary.BigEndian.AppendUint32(nil, 4<<20-1)...)
			_ = framer.WriteData(stream, false, announced)
		}
		filler := make([]byte, 16<<10)
		for range 256 { // as if all windows were open: whoever attacks does not keep to them
			for i := range uint32(perConnection) {
				if framer.WriteData(2*i+1, false, filler) != nil {
					return
				}
			}
		}
	}, v.grpc)
}
