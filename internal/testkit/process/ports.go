// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
)

// Ports holds TCP ports on loopback for programs that take the number of a port and not 0. The zero value holds none.
//
// A held port is bound by a socket that does not listen. Linux neither chooses such a port for a program that asks for any port nor for an
// outgoing connection, and refuses it to programs that bind it without SO_REUSEADDR. Servers bind with that option, in Go by default, and
// get the port, also when they are restarted. A connection to a held port is refused while no server listens.
// Other systems refuse the port to servers too. There it is free as soon as Take returns, and another program can be faster.
type Ports struct {
	mu      sync.Mutex
	sockets []int
}

// Take returns the address of a port that is held until Release.
func (p *Ports) Take() (address string, err error) {
	socket, err := boundSocket()
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", os.NewSyscallError("bind", err))
	}
	name, err := syscall.Getsockname(socket)
	bound, isIPv4 := name.(*syscall.SockaddrInet4)
	if err != nil || !isIPv4 {
		return "", errors.Join(fmt.Errorf("find a free port: %w", os.NewSyscallError("getsockname", err)), syscall.Close(socket))
	}
	address = net.JoinHostPort(net.IP(bound.Addr[:]).String(), strconv.Itoa(bound.Port))
	if runtime.GOOS != "linux" {
		return address, syscall.Close(socket)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sockets = append(p.sockets, socket)

	return address, nil
}

// boundSocket returns a socket that is bound to a port of loopback that the system chooses.
func boundSocket() (int, error) {
	syscall.ForkLock.RLock() // until then a child that is started meanwhile would inherit the socket
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(socket)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return 0, err
	}
	err = syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	if err == nil {
		err = syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	if err != nil {
		return 0, errors.Join(err, syscall.Close(socket))
	}

	return socket, nil
}

// Release gives all ports back.
func (p *Ports) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, socket := range p.sockets {
		_ = syscall.Close(socket) // it has never carried data
	}
	p.sockets = nil
}
