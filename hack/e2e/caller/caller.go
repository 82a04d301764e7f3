// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

const (
	// idLength is the number of characters of a digest that identify a key in status.keys.
	idLength = 12
	// keptFailures bounds the report.
	keptFailures = 50
	// idleConnections is how many connections wait for the next request, per address.
	idleConnections = 16
)

// report counts the requests since the start.
type report struct {
	Sent     int           `json:"sent"`
	Failed   int           `json:"failed"`
	Retried  int           `json:"retried"`
	Slowest  time.Duration `json:"slowest"`
	Key      string        `json:"key"` // the id of the key of the last request that was answered with 200
	Failures []failure     `json:"failures"`
}

// failure is a request that was not answered with 200.
type failure struct {
	At  time.Time `json:"at"`
	Why string    `json:"why"`
}

type caller struct {
	options
	client *http.Client

	mu     sync.Mutex
	report report
}

func newCaller(o options, config *tls.Config) *caller {
	d := &dialer{avoided: map[string]time.Time{}}

	return &caller{options: o, client: &http.Client{
		Timeout:   o.timeout,
		Transport: &http.Transport{TLSClientConfig: config, DialContext: d.dial, MaxIdleConnsPerHost: idleConnections},
	}}
}

// sendAll starts requests at the rate, whether or not earlier ones have been answered.
func (c *caller) sendAll(ctx context.Context) {
	ticker := time.NewTicker(time.Second / time.Duration(c.rate))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			go c.sendOne(ctx)
		}
	}
}

// sendOne sends a request and counts its outcome. A request that the end of the program interrupts does not count.
func (c *caller) sendOne(ctx context.Context) {
	start := time.Now()
	id, attempts, err := c.ask(ctx)
	if ctx.Err() != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Sent++
	c.report.Retried += attempts - 1
	c.report.Slowest = max(c.report.Slowest, time.Since(start))
	if err == nil {
		c.report.Key = id

		return
	}
	c.report.Failed++
	if len(c.report.Failures) < keptFailures {
		c.report.Failures = append(c.report.Failures, failure{start, err.Error()})
	}
}

// ask sends a request until it is answered, and returns the id of its key.
func (c *caller) ask(ctx context.Context) (id string, attempts int, err error) {
	key, err := os.ReadFile(c.keyFile) //nolint:gosec // the command line names the file
	if err != nil {
		return "", 1, err
	}
	digest := sha256.Sum256(key)
	id = base64.RawURLEncoding.EncodeToString(digest[:])[:idLength]
	for attempts = 1; ; attempts++ {
		answered, err := c.attempt(ctx, string(key))
		if err == nil || answered || attempts >= c.attempts {
			if err != nil {
				err = fmt.Errorf("key %s, attempt %d: %w", id, attempts, err)
			}

			return id, attempts, err
		}
		c.client.CloseIdleConnections() // others lead to the same address
	}
}

// attempt sends a request once. It reports whether there was an answer, and returns an error unless that was 200.
func (c *caller) attempt(ctx context.Context, key string) (answered bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, http.NoBody) //nolint:gosec // the command line names the URL
	if err != nil {
		return false, err
	}
	request.Header.Set("Authorization", "Bearer "+key)
	response, err := c.client.Do(request) //nolint:gosec // the command line names the URL
	if err != nil {
		return false, err
	}
	_, copyErr := io.Copy(io.Discard, response.Body)
	if err := response.Body.Close(); err != nil || copyErr != nil {
		return false, fmt.Errorf("read the answer: %w, %w", copyErr, err)
	}
	if response.StatusCode != http.StatusOK {
		return true, fmt.Errorf("%s %s", response.Status, response.Header.Get("X-Apikey-Reason"))
	}

	return true, nil
}

// snapshot copies the report.
func (c *caller) snapshot() report {
	c.mu.Lock()
	defer c.mu.Unlock()
	copied := c.report
	copied.Failures = append([]failure{}, c.report.Failures...)

	return copied
}
