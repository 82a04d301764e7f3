// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier_test

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// startImpostor starts a server that allows everything. Its certificate is of the right authority, for another name.
func (s *site) startImpostor(t *testing.T) (address string) {
	t.Helper()
	certificate, err := tls.LoadX509KeyPair(filepath.Join(s.impostor, "tls.crt"), filepath.Join(s.impostor, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for _, name := range identityHeaders {
			w.Header().Set(name, "evil")
		}
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // gateways are to hang up on it
	server.StartTLS()
	t.Cleanup(server.Close)

	return server.Listener.Addr().String()
}

// startFull listens, and has no room for another connection: the system answers no attempt to make one.
func (s *site) startFull(t *testing.T) (address string) {
	t.Helper()
	address = testkit.FreeAddress(t)
	host, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(socket) })
	if err := syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil { // FreeAddress holds the port
		t.Fatal(err)
	}
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Port: host.Port, Addr: [4]byte(host.IP.To4())}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(socket, 0); err != nil {
		t.Fatal(err)
	}
	for { // until one is not answered
		conn, err := (&net.Dialer{Timeout: 500 * time.Millisecond}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			return address
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
}

// startMute accepts connections and does not speak TLS: it says nothing, or hangs up.
func (s *site) startMute(t *testing.T, hangUp bool) (address string) {
	t.Helper()

	return s.accept(t, func(conn net.Conn) {
		if !hangUp {
			_, _ = io.Copy(io.Discard, conn)
		}
	})
}

// startSilent speaks TLS with the verifier's certificate, reads a request and sends text. Then it hangs up, or says nothing more.
func (s *site) startSilent(t *testing.T, text string, hangUp bool) (address string) {
	t.Helper()
	certificate, err := tls.LoadX509KeyPair(filepath.Join(s.certificates, "tls.crt"), filepath.Join(s.certificates, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}

	return s.accept(t, func(conn net.Conn) {
		secured := tls.Server(conn, config)
		if _, err := secured.Read(make([]byte, 64<<10)); err != nil {
			return // no request came
		}
		_, _ = io.WriteString(secured, text)
		if hangUp {
			_ = secured.Close()
		}
		_, _ = io.Copy(io.Discard, secured)
	})
}

// accept hands connections to a function until the test ends.
func (s *site) accept(t *testing.T, handle func(net.Conn)) (address string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(func() {
		cancel()
		_ = listener.Close()
	})
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
			go func() {
				defer stop()
				defer func() { _ = conn.Close() }()
				handle(conn)
			}()
		}
	}()

	return listener.Addr().String()
}
