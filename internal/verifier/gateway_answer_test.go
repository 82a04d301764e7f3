// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// answer is what a gateway said.
type answer struct {
	status int
	header http.Header
	body   string
}

// exchange sends bytes to a gateway and returns its first answer. It waits until the gateway has closed the connection,
// so that also what follows the first request has been dealt with.
func exchange(t *testing.T, address, request string) answer {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, request) // a gateway may have answered before all of it was sent
	reader := bufio.NewReader(conn)
	resp, err := http.ReadResponse(reader, nil)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return answer{} // it just closed the connection
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, reader)

	return answer{resp.StatusCode, resp.Header, string(body)}
}

// is checks an answer, and that a refusal is told as the verifier told it.
func (a answer) is(t *testing.T, status int, reason string) {
	t.Helper()
	if a.status != status {
		t.Fatalf("answered %d, want %d; it said %q", a.status, status, a.body)
	}
	if status == http.StatusOK {
		if a.body != "hello" {
			t.Errorf("the answer is %q, want that of the API", a.body)
		}

		return
	}
	want := map[string]string{"Content-Type": "application/problem+json", "X-Apikey-Reason": reason, "Cache-Control": "no-store"}
	for name, value := range want {
		if got := a.header.Values(name); len(got) != 1 || got[0] != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	var problem struct {
		Type, Title, Detail, Reason string
		Status                      int
	}
	if err := json.Unmarshal([]byte(a.body), &problem); err != nil || problem.Detail == "" {
		t.Errorf("the body is %q, want a problem with its details: %v", a.body, err)
	}
	problem.Detail = ""
	wanted := problem
	wanted.Type, wanted.Title, wanted.Status, wanted.Reason = "about:blank", http.StatusText(status), status, reason
	if problem != wanted {
		t.Errorf("the body is %q, want a problem with the status %d and the reason %s", a.body, status, reason)
	}
	challenge := a.header.Values("WWW-Authenticate")
	if told := len(challenge) == 1 && strings.HasPrefix(challenge[0], "Bearer "); told != (status == http.StatusUnauthorized) {
		t.Errorf("WWW-Authenticate is %q", challenge)
	}
}

// ask puts a request to the verifier itself. An empty key is not sent.
func (s *site) ask(ctx context.Context, t *testing.T, uri, key string) (status int, header http.Header) {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.ca)
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: verifierName, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true,
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+s.address+uri, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("X-API-Key", key)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()

	return resp.StatusCode, resp.Header
}

// identity is what the verifier says about a key.
func (s *site) identity(t *testing.T, key string) map[string]string {
	t.Helper()
	s.said.Lock()
	defer s.said.Unlock()
	if known, ok := s.identities[key]; ok {
		return known
	}
	status, header := s.ask(t.Context(), t, "/verify?environment=Production&permission=customers:read", key)
	if status != http.StatusOK {
		t.Fatalf("the verifier says %d", status)
	}
	said := map[string]string{}
	for _, name := range identityHeaders {
		said[name] = header.Get(name)
	}
	s.identities[key] = said

	return said
}
