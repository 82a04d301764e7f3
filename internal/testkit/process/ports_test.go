// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package process_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"syscall"
	"testing"

	"github.com/apikey-operator/apikey-operator/internal/testkit/process"
)

// listen opens an address as a server does, or without SO_REUSEADDR, as a program does that was not given the port.
func listen(t *testing.T, address string, asServer bool) (net.Listener, error) {
	t.Helper()
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(descriptor uintptr) {
			if !asServer {
				failed = syscall.SetsockoptInt(int(descriptor), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 0)
			}
		})

		return errors.Join(err, failed)
	}}

	return config.Listen(t.Context(), "tcp", address)
}

func TestPortsAreHeldForServers(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux can hold a port for another program")
	}
	var ports process.Ports
	address, err := ports.Take()
	if err != nil {
		t.Fatal(err)
	}
	if other, err := listen(t, address, false); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a program without SO_REUSEADDR got the port: %v, %v", other, err)
	}
	if _, err := new(net.Dialer).DialContext(t.Context(), "tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a connection to a port that is held: %v, want that it is refused", err)
	}
	for range 2 { // the second is a server that was restarted
		server, err := listen(t, address, true)
		if err != nil {
			t.Fatal(err)
		}
		if err := server.Close(); err != nil {
			t.Fatal(err)
		}
	}
	ports.Release()
	free, err := listen(t, address, false)
	if err != nil {
		t.Fatalf("after Release: %v", err)
	}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestPortsDifferAndAreNotChosenByTheSystem(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux can hold a port for another program")
	}
	var ports process.Ports
	defer ports.Release()
	held := map[string]bool{}
	for range 200 {
		address, err := ports.Take()
		if err != nil {
			t.Fatal(err)
		}
		if held[address] {
			t.Fatalf("%s was taken twice", address)
		}
		held[address] = true
	}
	for range 2000 {
		server, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if held[server.Addr().String()] {
			t.Fatalf("the system chose %s, which is held", server.Addr())
		}
		if err := server.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
