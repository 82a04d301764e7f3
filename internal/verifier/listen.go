// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// unixPrefix begins the address of a Unix socket.
const unixPrefix = "unix:"

// socketMode lets the owner and the group of a Unix socket connect. A gateway in the same pod runs in that group.
const socketMode = 0o660

// unixPath returns the path in the address of a Unix socket; empty: it is another kind of address.
func unixPath(address string) string {
	path, _ := strings.CutPrefix(address, unixPrefix)
	if path == address {
		return ""
	}
	if rest, found := strings.CutPrefix(path, "//"); found && strings.HasPrefix(rest, "/") { // unix:///path
		return rest
	}

	return path
}

// isUnix returns whether an address is that of a Unix socket.
func isUnix(address string) bool { return strings.HasPrefix(address, unixPrefix) }

// checkUnix returns an error if the address of a Unix socket has no usable path.
func checkUnix(name, address string) error {
	path := unixPath(address)
	if !filepath.IsAbs(path) || filepath.Clean(path) != path || path == "/" {
		return fmt.Errorf("%s=%s: must be unix: and an absolute path, such as unix:/run/apikey/verify.sock", name, address)
	}
	const maxPath = len(syscall.RawSockaddrUnix{}.Path) - 1
	if len(path) > maxPath {
		return fmt.Errorf("%s=%s: the path of a Unix socket has at most %d bytes", name, address, maxPath)
	}

	return nil
}

// listenOn opens an address: host:port, or unix:/path.
func listenOn(ctx context.Context, address string) (net.Listener, error) {
	if !isUnix(address) {
		return new(net.ListenConfig).Listen(ctx, "tcp", address)
	}
	path := unixPath(address)
	listener, err := listenUnix(ctx, path)
	if errors.Is(err, syscall.EADDRINUSE) {
		if err := removeStale(ctx, path); err != nil {
			return nil, err
		}
		listener, err = listenUnix(ctx, path)
	}
	if err != nil {
		return nil, err
	}
	// The umask may have removed bits of the mode that the socket was bound with.
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, errors.Join(err, listener.Close())
	}

	return listener, nil
}

// listenUnix binds a socket with socketMode from the start, so that no other user can connect before Chmod: on Linux the file inherits
// the mode of the socket.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(descriptor uintptr) { failed = syscall.Fchmod(int(descriptor), socketMode) })

		return errors.Join(err, failed)
	}}

	return config.Listen(ctx, "unix", path)
}

// removeStale removes the socket that a killed verifier has left. It returns an error and removes nothing if the path is another
// kind of file, or if a process listens on the socket.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) { // the process that had it has just removed it
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("%s exists and is no socket: remove it or choose another path", path)
	}
	connection, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err == nil {
		return errors.Join(fmt.Errorf("another process listens on %s: end it, or choose another path", path), connection.Close())
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%s exists, and connecting to it failed, so a process may listen on it: %w", path, err)
	}

	return os.Remove(path)
}
