// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier_test

import (
	"bufio"
	"crypto/sha1" //nolint:gosec // G505: RFC 6455 names it, and it protects nothing here
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// idleTime is how long a connection is idle that must not be cut, and shortTimeout what every timeout is set to that must
	// not be the one that counts.
	idleTime     = 3 * time.Second
	shortTimeout = "1s"
	// later asks the API to answer after idleTime.
	later = "later"
)

// upgrades checks WebSockets: a handshake with a key, frames in both directions, and no handshake without one.
func (s *site) upgrades(t *testing.T, p program) {
	g := startGateway(t, p, s.address, s.ca, p.shortTimeouts)
	t.Run("with a key", func(t *testing.T) {
		conn, _, err := dial(t, g, http.Header{"X-Api-Key": {s.keys["owned"]}, "X-Apikey-Owner": {"evil"}, "X_apikey_id": {"evil"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, message := range []string{"hello", strings.Repeat("long ", 40_000), later} {
			if err := conn.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
				t.Fatal(err)
			}
			kind, echo, err := conn.ReadMessage()
			if err != nil || kind != websocket.TextMessage || string(echo) != message {
				t.Fatalf("a message of %d bytes comes back as %d bytes of kind %d: %v", len(message), len(echo), kind, err)
			}
		}
		calls := g.api.take()
		if len(calls) != 1 {
			t.Fatalf("the API was asked %d times, want once", len(calls))
		}
		s.isOf(t, calls[0], s.keys["owned"])
	})
	for sentence, c := range map[string]struct {
		key    string
		status int
		reason string
	}{
		"without a key":                  {"", http.StatusUnauthorized, "missing"},
		"with a key without permission":  {s.keys["writer"], http.StatusForbidden, "permission_denied"},
		"with a key of another operator": {foreignKey(t), http.StatusUnauthorized, "unknown"},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, refusal, err := dial(t, g, http.Header{"X-Api-Key": {c.key}})
			if !errors.Is(err, websocket.ErrBadHandshake) {
				t.Fatalf("the handshake ends with %v, want that of a refusal", err)
			}
			if got := refusal.header.Get("X-Apikey-Reason"); refusal.status != c.status || got != c.reason {
				t.Errorf("answered %d %q, want %d %q", refusal.status, got, c.status, c.reason)
			}
			if calls := g.api.take(); len(calls) > 0 {
				t.Errorf("it reached the API: %q", s.blank(calls[0].raw))
			}
		})
	}
	t.Run("to another protocol", func(t *testing.T) { s.refusesTunnels(t, g) })
}

// refusesTunnels checks that no other protocol begins: behind 101 a gateway sees no requests any more, so one to any path and
// with any header would reach an API that speaks h2c.
func (s *site) refusesTunnels(t *testing.T, g *gateway) {
	for _, protocol := range []string{
		"h2c", "H2C", "TLS/1.0", "websocket, h2c", "h2c, websocket", "websocketh2c", "websocket\r\nUpgrade: h2c",
		"h2c\r\nUpgrade: websocket",
	} {
		request := "GET /customers HTTP/1.1\r\nHost: api.example.com\r\nX-API-Key: " + s.keys["reader"] +
			"\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: " + protocol + "\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
		send(t, g, request)
		for _, call := range g.api.take() {
			for _, header := range call.headers {
				if header.plain() == "upgrade" && header.value != "websocket" {
					t.Errorf("the API is asked to begin %q with %s: %s", protocol, header.name, header.value)
				}
			}
		}
	}
}

// send sends a request on a connection that may stay, and waits for the answer.
func send(t *testing.T, g *gateway, request string) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", g.address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
}

// dial makes a handshake. The connection ends with the test.
func dial(t *testing.T, g *gateway, headers http.Header) (conn *websocket.Conn, refusal answer, err error) {
	t.Helper()
	dialer := websocket.Dialer{HandshakeTimeout: patience}
	conn, response, err := dialer.DialContext(t.Context(), "ws://"+g.address+"/customers/feed", headers)
	if response != nil {
		defer func() { _ = response.Body.Close() }() // of a refusal, or empty
		refusal = answer{status: response.StatusCode, header: response.Header}
	}
	if err == nil {
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		t.Cleanup(func() { _ = conn.Close() })
	}

	return conn, refusal, err
}

// upgraded answers the handshake of a WebSocket (RFC 6455) and sends every message back.
func (a *api) upgraded(conn net.Conn, reader *bufio.Reader, req *http.Request) {
	const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + guid)) //nolint:gosec // G401: as above
	_, err := io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: "+
		base64.StdEncoding.EncodeToString(sum[:])+"\r\n\r\n")
	for err == nil {
		err = sendBack(conn, reader)
	}
}

// sendBack reads a frame and sends it back as a server does: without a mask. Its length is always the longest form.
func sendBack(conn net.Conn, reader *bufio.Reader) error {
	var head [2]byte
	if _, err := io.ReadFull(reader, head[:]); err != nil {
		return err
	}
	length := uint64(head[1] & 0x7f)
	if extra := map[uint64]int{126: 2, 127: 8}[length]; extra > 0 {
		var long [8]byte
		if _, err := io.ReadFull(reader, long[8-extra:]); err != nil {
			return err
		}
		length = binary.BigEndian.Uint64(long[:])
	}
	masked := make([]byte, 4+length)
	if _, err := io.ReadFull(reader, masked); err != nil {
		return err
	}
	for i := range masked[4:] {
		masked[4+i] ^= masked[i%4]
	}
	if string(masked[4:]) == later {
		time.Sleep(idleTime) //nolint:forbidigo // the time in which nothing comes is what is tested
	}
	frame := binary.BigEndian.AppendUint64([]byte{head[0], 127}, length)
	if length < 126 { // the shortest form is required
		frame = []byte{head[0], byte(length)}
	} else if length < 1<<16 {
		frame = binary.BigEndian.AppendUint16([]byte{head[0], 126}, uint16(length))
	}
	_, err := conn.Write(append(frame, masked[4:]...))

	return err
}
