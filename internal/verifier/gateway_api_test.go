// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// api is the API behind a gateway. It notes requests byte by byte: a server of net/http would change the names of
// headers, and hide what a gateway lets through.
type api struct {
	address string
	mu      sync.Mutex
	calls   []call
}

// call is one request as it came.
type call struct {
	method, target string
	raw            string // all bytes, with the body
	body           int    // bytes of it, without framing
	headers        []header
	more           bool // bytes came after its end: a second request, hidden in the first
}

// header is one line, with its name as it came.
type header struct{ name, value string }

// plain is the name as programs read it that turn headers into variables: CGI, WSGI, PHP. To them all characters that
// are neither letters nor digits are one.
func (h header) plain() string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		}

		return '-'
	}, strings.TrimSpace(h.name))
}

func startAPI(t *testing.T) *api {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &api{address: listener.Addr().String()}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { a.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})

	return a
}

// serve answers one request and closes the connection.
func (a *api) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	var raw bytes.Buffer
	reader := bufio.NewReader(io.TeeReader(conn, &raw))
	if _, err := reader.Peek(1); err != nil {
		return // a connection on which nothing came
	}
	c := call{method: "unreadable"}
	req, err := http.ReadRequest(reader)
	if err == nil {
		body, _ := io.Copy(io.Discard, req.Body)
		c = call{method: req.Method, target: req.RequestURI, body: int(body), more: reader.Buffered() > 0}
	}
	c.raw = raw.String()
	head, _, _ := strings.Cut(c.raw, "\r\n\r\n")
	for _, line := range strings.Split(head, "\r\n")[1:] {
		name, value, _ := strings.Cut(line, ":")
		c.headers = append(c.headers, header{name, strings.TrimSpace(value)})
	}
	a.mu.Lock()
	a.calls = append(a.calls, c)
	a.mu.Unlock()
	if err == nil && req.Header.Get("Upgrade") == "websocket" {
		a.upgraded(conn, reader, req)

		return
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n"+forgeries+"\r\nhello")
}

// forged is what the API says where only the verifier has something to say: an API may return what a client has sent it.
const forged = "forged by the API"

// forgeries are headers of all answers of the API.
var forgeries = func() string {
	names := append([]string{"RateLimit", "RateLimit-Policy", "X-Apikey-Reason", "X-Apikey-Status", "X-Apikey-Problem"}, identityHeaders...)

	return strings.Join(names, ": "+forged+"\r\n") + ": " + forged + "\r\n"
}()

// take returns the requests since it was last called.
func (a *api) take() []call {
	a.mu.Lock()
	defer a.mu.Unlock()
	calls := a.calls
	a.calls = nil

	return calls
}
