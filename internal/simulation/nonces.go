// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"bytes"
	"math/rand/v2"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// nonces is the randomness of keys. It reports every key that is drawn from it.
type nonces struct {
	random *rand.Rand
	drawn  func(keys.Key)
}

// base62 is the number of values of a byte that keys.Generator accepts.
const base62 = 62

// Read implements io.Reader. The generator makes one key of each block that it reads.
func (n *nonces) Read(block []byte) (int, error) {
	for i := range block {
		block[i] = byte(n.random.IntN(base62)) //nolint:gosec // G115: it is below 62
	}
	key, err := keys.Generator{Random: bytes.NewReader(block)}.New(environment)
	if err != nil {
		return 0, err
	}
	n.drawn(key)

	return len(block), nil
}

// environment is that of all APIKeys.
const environment = v1alpha1.EnvironmentProduction
