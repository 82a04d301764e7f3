// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// fieldManager owns lastUsedAt in metadata.managedFields.
const fieldManager = "apikey-verifier"

// StatusWriter changes the status of APIKeys.
type StatusWriter interface {
	// PatchStatus applies a JSON patch to the status of an APIKey. It needs the right to patch apikeys/status, and no other.
	PatchStatus(ctx context.Context, namespace, name string, patch []byte) error
}

// restWriter is a StatusWriter over REST.
type restWriter struct {
	client   rest.Interface
	resource string
}

// NewStatusWriter makes a StatusWriter from a client for the API group of APIKeys.
func NewStatusWriter(client rest.Interface) StatusWriter {
	return &restWriter{client: client, resource: "apikeys"}
}

// PatchStatus implements StatusWriter. It does not decode the answer.
func (w *restWriter) PatchStatus(ctx context.Context, namespace, name string, patch []byte) error {
	return w.client.Patch(types.JSONPatchType).
		Namespace(namespace).Resource(w.resource).Name(name).SubResource("status").
		Param("fieldManager", fieldManager).Body(patch).Do(ctx).Error()
}
