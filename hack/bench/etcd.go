// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// maxPuts is how many objects one transaction writes: etcd's own limit (--max-txn-ops).
const maxPuts = 128

// etcd is the store of the control plane, reached behind the back of the API server: through the JSON form of its API
// (https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/).
type etcd struct {
	url string
}

// keyValue is what etcd stores; encoding/json writes bytes as base64, as etcd wants them.
type keyValue struct {
	Key   []byte `json:"key"`
	Value []byte `json:"value,omitempty"`
}

// get reads what is stored under a key.
func (e etcd) get(ctx context.Context, key string) ([]byte, error) {
	var answer struct {
		Values []keyValue `json:"kvs"`
	}
	if err := e.post(ctx, "range", keyValue{Key: []byte(key)}, &answer); err != nil {
		return nil, err
	}
	if len(answer.Values) != 1 {
		return nil, fmt.Errorf("etcd has nothing under %s", key)
	}

	return answer.Values[0].Value, nil
}

// put stores at most maxPuts values in one transaction.
func (e etcd) put(ctx context.Context, pairs []keyValue) error {
	type operation struct {
		Put keyValue `json:"requestPut"`
	}
	var transaction struct {
		Operations []operation `json:"success"`
	}
	for _, pair := range pairs {
		transaction.Operations = append(transaction.Operations, operation{pair})
	}
	var answer struct {
		Succeeded bool `json:"succeeded"`
	}
	if err := e.post(ctx, "txn", transaction, &answer); err != nil {
		return err
	}
	if !answer.Succeeded {
		return errors.New("etcd did not carry out a transaction")
	}

	return nil
}

// post calls a method of etcd's key-value service.
func (e etcd) post(ctx context.Context, method string, question, answer any) (err error) {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url+"/v3/kv/"+method, bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask etcd: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("ask etcd for %s: %s", method, response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		return fmt.Errorf("read etcd's answer: %w", err)
	}

	return nil
}
