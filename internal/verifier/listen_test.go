// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestUnixSocket(t *testing.T) {
	listen := func(path string) (net.Listener, error) { return listenOn(t.Context(), "unix:"+path) }
	for name, prepare := range map[string]func(t *testing.T, path string){
		"where nothing is": func(*testing.T, string) {},
		"where a verifier was killed": func(t *testing.T, path string) {
			listener, err := listen(path)
			if err != nil {
				t.Fatal(err)
			}
			listener.(*net.UnixListener).SetUnlinkOnClose(false) //nolint:errcheck,forcetypeassert // a listener on a socket is one
			if err := listener.Close(); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "verify.sock")
			prepare(t, path)
			listener, err := listen(path)
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != 0o660 || info.Mode().Type() != os.ModeSocket {
				t.Errorf("the socket has mode %v, %v", info.Mode(), err)
			}
			if again, err := listen(path); err == nil || !strings.Contains(err.Error(), "another process listens") {
				t.Errorf("a second verifier: %v, %v", again, err)
			}
			if err := listener.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Lstat(path); !os.IsNotExist(err) {
				t.Errorf("the socket is left: %v", err)
			}
		})
	}
}

// Whatever else is in the place of the socket stays as it is.
func TestUnixSocketRemovesNothingElse(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"a file":           func(path string) error { return os.WriteFile(path, []byte("precious"), 0o600) },
		"a folder":         func(path string) error { return os.Mkdir(path, 0o700) },
		"a symbolic link":  func(path string) error { return os.Symlink("/nowhere", path) },
		"a link to a file": func(path string) error { return os.Symlink("/etc/hostname", path) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "verify.sock")
			if err := put(path); err != nil {
				t.Fatal(err)
			}
			listener, err := listenOn(t.Context(), "unix:"+path)
			if err == nil || !strings.Contains(err.Error(), "is no socket") {
				t.Errorf("listens: %v, %v", listener, err)
			}
			if _, err := os.Lstat(path); err != nil {
				t.Errorf("it is gone: %v", err)
			}
		})
	}
}
