// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command caller is the workload of the end-to-end tests: it reads its key from a mounted Secret before each request, asks the
// verifier at a steady rate as a gateway would on behalf of a client with that key, and reports what failed.
//
// A failure is every answer other than 200. With --attempts above 1 a request that got no answer is sent to another address, as gateways
// do (nginx: proxy_next_upstream), and an address that did not answer is avoided for some time (nginx: fail_timeout).
//
// Without --url it sends only what POST /ask asks for, and reports the answer.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	url, keyFile, authority, name, listen string
	rate, attempts                        int
	timeout                               time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "caller:", err)
		os.Exit(1)
	}
}

// parse reads the command line.
func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("caller", flag.ContinueOnError)
	flags.StringVar(&o.url, "url", "", "The URL to ask. Its host is looked up for every connection. Empty: none.")
	flags.StringVar(&o.keyFile, "key-file", "", "The file with the key, read before each request.")
	flags.StringVar(&o.authority, "authority", "", "The file with the authority of the verifier's certificate.")
	flags.StringVar(&o.name, "server-name", "", "The name in that certificate; empty: the host of the URL.")
	flags.StringVar(&o.listen, "listen", ":8080", "The address that serves the report.")
	flags.IntVar(&o.rate, "rate", 20, "Requests a second.")
	flags.IntVar(&o.attempts, "attempts", 1, "How often a request without an answer is sent.")
	flags.DurationVar(&o.timeout, "timeout", 5*time.Second, "How long an attempt may take.")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.rate < 1 || o.attempts < 1 {
		return o, errors.New("--rate and --attempts must be at least 1")
	}

	return o, nil
}

// run sends requests until the context ends.
func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	c, err := newCallerFor(o)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", c)
	mux.HandleFunc("POST /ask", answerOne)
	server := &http.Server{Addr: o.listen, Handler: mux, ReadHeaderTimeout: o.timeout}
	if o.url != "" {
		go c.sendAll(ctx)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServe() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return server.Close()
	}
}

// newCallerFor returns a caller that trusts the authority that the options name, if they name a URL.
func newCallerFor(o options) (*caller, error) {
	if o.url == "" {
		return newCaller(o, nil), nil
	}
	authority, err := os.ReadFile(o.authority)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("%s has no certificate", o.authority)
	}

	return newCaller(o, &tls.Config{RootCAs: roots, ServerName: o.name, MinVersion: tls.VersionTLS12}), nil
}

// ServeHTTP answers with the report.
func (c *caller) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(c.snapshot()); err != nil {
		fmt.Fprintln(os.Stderr, "caller: send a report:", err)
	}
}
