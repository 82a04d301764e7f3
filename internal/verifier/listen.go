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

// socketMode lets the owner and the group of a Unix socket ask: a gateway beside the verifier runs in its group.
const socketMode = 0o660

// unixPath is the path of a Unix socket; empty: the address is none.
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

// isUnix says whether an address is that of a Unix socket.
func isUnix(address string) bool { return strings.HasPrefix(address, unixPrefix) }

// checkUnix says what is wrong with the address of a Unix socket.
func checkUnix(name, address string) error {
	path := unixPath(address)
	if !filepath.IsAbs(path) || filepath.Clean(path) != path || path == "/" {
		return fmt.Errorf("%s=%s: must be unix: and an absolute path, such as unix:/run/apikey/verify.sock", name, address)
	}
	const longest = len(syscall.RawSockaddrUnix{}.Path) - 1
	if len(path) > longest {
		return fmt.Errorf("%s=%s: the path of a Unix socket has at most %d bytes", name, address, longest)
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
	// The mode that it was bound with is at most this one; the umask may have taken the group's away.
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, errors.Join(err, listener.Close())
	}

	return listener, nil
}

// listenUnix binds a socket that others cannot connect to, not even before its mode is set: on Linux the file gets the mode of the socket.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(descriptor uintptr) { failed = syscall.Fchmod(int(descriptor), socketMode) })

		return errors.Join(err, failed)
	}}

	return config.Listen(ctx, "unix", path)
}

// removeStale removes the socket of a verifier that has ended without doing so. It removes nothing else: neither a file that
// is no socket, nor a socket that a process listens on.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) { // its owner has just removed it
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("%s exists and is no socket: remove it, or choose another path", path)
	}
	connection, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err == nil {
		return errors.Join(fmt.Errorf("another process listens on %s: end it, or choose another path", path), connection.Close())
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%s exists, and whether a process listens on it cannot be found out: %w", path, err)
	}

	return os.Remove(path)
}
