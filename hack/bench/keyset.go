// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// What every key of bench verify may do beside its own permissions, and what endpoints ask for.
const (
	roleName = "synchronizer"
	// neededPermission is one that the key has through its role, so that both lists are searched.
	neededPermission v1alpha1.Permission = "orders:read"
	// limitedEach is which keys have a rate limit: every tenth.
	limitedEach = 10
)

// newRole is the role of every key.
func newRole() *v1alpha1.APIKeyRole {
	return &v1alpha1.APIKeyRole{
		ObjectMeta: metav1.ObjectMeta{Name: roleName},
		Spec: v1alpha1.APIKeyRoleSpec{Permissions: []v1alpha1.Permission{
			"products:read", "products:write", "stock:read", "stock:write",
			neededPermission, "orders:write", "invoices:read", "invoices:write",
		}},
	}
}

// shape gives an APIKey what one of bench verify has beside what all have: a role, and every tenth a rate limit,
// which is too high to be reached, however few keys there are.
func shape(key *v1alpha1.APIKey, i int) {
	key.Spec.Roles = []v1alpha1.RoleName{roleName}
	if i%limitedEach == 0 {
		key.Spec.RateLimit = &v1alpha1.RateLimit{Requests: 1_000_000, Per: "1s"} // as much as there can be
	}
}

// keyset is keys that were drawn for a benchmark. Their plaintext is in this process and nowhere else.
type keyset struct {
	texts   []string
	digests []keys.Digest
}

// drawKeys draws so many keys. Their texts lie side by side in memory, in this order: reading one takes no longer than
// when it has just come in over the network.
func drawKeys(n int) (*keyset, error) {
	set := &keyset{texts: make([]string, n), digests: make([]keys.Digest, n)}
	var all strings.Builder
	all.Grow(n * keys.MaxLength)
	length := 0
	for i := range n {
		key, err := keys.Generator{}.New(v1alpha1.EnvironmentProduction)
		if err != nil {
			return nil, fmt.Errorf("draw %d keys: %w", n, err)
		}
		set.digests[i] = key.Digest()
		length, _ = all.WriteString(key.Reveal()) // all have the same length
	}
	for i, text := 0, all.String(); i < n; i++ {
		set.texts[i] = text[i*length : (i+1)*length]
	}

	return set, nil
}
