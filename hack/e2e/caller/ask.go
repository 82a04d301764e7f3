// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"time"
)

const (
	askTimeout    = 3 * time.Second
	maxQuestion   = 64 << 10
	maxAnswerBody = 8 << 20
)

// question is a request to send.
type question struct {
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
}

// answer is what came back.
type answer struct {
	Status      int    `json:"status"`
	Body        string `json:"body"`
	Certificate []byte `json:"certificate"` // of the server
}

// answerOne sends the request that the body describes, and answers with its answer, or with 502 if there is none.
func answerOne(w http.ResponseWriter, r *http.Request) {
	var q question
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxQuestion)).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)

		return
	}
	a, err := send(r.Context(), q)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)

		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(a) // a test that is gone needs no answer
}

// send sends a request over a connection of its own. It shows the certificate of the server to the test, which judges it.
func send(ctx context.Context, q question) (answer, error) {
	var a answer
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, q.URL, http.NoBody)
	if err != nil {
		return a, err
	}
	for name, value := range q.Headers {
		request.Header.Set(name, value)
	}
	client := &http.Client{Timeout: askTimeout, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the test judges the certificate
	}}
	response, err := client.Do(request)
	if err != nil {
		return a, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBody))
	if err != nil {
		return a, err
	}
	a.Status, a.Body = response.StatusCode, string(body)
	if response.TLS != nil && len(response.TLS.PeerCertificates) > 0 {
		a.Certificate = response.TLS.PeerCertificates[0].Raw
	}

	return a, nil
}
