// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// The keys under which kube-apiserver stores objects.
const (
	storedAPIKeys = "/registry/apikey-operator.io/apikeys/"
	storedSecrets = "/registry/secrets/"
)

// etcdTimeout is how long etcd may take to answer.
const etcdTimeout = 30 * time.Second

// etcd reads and writes what kube-apiserver stores, through the JSON gateway of etcd.
type etcd struct {
	url  string
	http *http.Client
}

// newEtcd returns a client with as many connections as requests are under way at once.
func newEtcd(url string, connections int) *etcd {
	return &etcd{url: url, http: &http.Client{Timeout: etcdTimeout, Transport: &http.Transport{
		MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections, DisableCompression: true,
	}}}
}

// close ends its connections.
func (e *etcd) close() { e.http.CloseIdleConnections() }

// get returns the value of a key.
func (e *etcd) get(ctx context.Context, key string) ([]byte, error) {
	var answer struct {
		KVs []struct{ Value []byte }
	}
	if err := e.call(ctx, "/v3/kv/range", map[string][]byte{"key": []byte(key)}, &answer); err != nil {
		return nil, err
	}
	if len(answer.KVs) == 0 {
		return nil, fmt.Errorf("etcd has no %s", key)
	}

	return answer.KVs[0].Value, nil
}

// put writes a value and returns its revision, which is the resourceVersion of the object.
func (e *etcd) put(ctx context.Context, key string, value []byte) (revision string, err error) {
	var answer struct {
		Header struct{ Revision string }
	}
	err = e.call(ctx, "/v3/kv/put", map[string][]byte{"key": []byte(key), "value": value}, &answer)

	return answer.Header.Revision, err
}

// call sends a request and decodes the answer.
func (e *etcd) call(ctx context.Context, path string, question, answer any) (err error) {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := e.http.Do(request)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("etcd answered %s with %s", path, response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		return fmt.Errorf("read etcd's answer: %w", err)
	}
	_, err = io.Copy(io.Discard, response.Body) // so that the connection is used again

	return err
}
