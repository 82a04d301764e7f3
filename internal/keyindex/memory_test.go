// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package keyindex_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// The index keeps nothing of the metadata that an editor without any grant can fill.
func TestMetadataIsNotKept(t *testing.T) {
	const n, most = 200, 4 << 10
	index := newIndex(t)
	apiKeys := index.APIKeys()
	inUse := func() int64 {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)

		return int64(stats.HeapAlloc) //nolint:gosec // no heap is that large
	}
	before := inUse()
	for i := range n {
		text := func() string { return strings.Repeat(fmt.Sprint(i%10), 250<<10) }
		digest := keys.DigestOf(fmt.Sprint(i))
		if err := apiKeys.Add(&v1alpha1.APIKey{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: "default", Name: fmt.Sprint(i), UID: "u", Annotations: map[string]string{"a": text()},
				Labels: map[string]string{"a": text()}, Finalizers: []string{text()}, OwnerReferences: []metav1.OwnerReference{{Name: text()}},
			},
			Status: v1alpha1.APIKeyStatus{Keys: []v1alpha1.KeyRecord{{ID: digest.ID(), Digest: digest.String(), State: v1alpha1.KeyActive}}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	if each := (inUse() - before) / n; each > most {
		t.Errorf("an APIKey with 1 MB of metadata takes %d bytes, want at most %d", each, most)
	}
	runtime.KeepAlive(index)
}
