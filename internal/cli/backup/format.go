// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"encoding/json"
	"fmt"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
)

// Version is the version of the format that this package writes and reads.
const Version = 1

// A line of a backup sets one of the fields, or APIKey and Secret.
type line struct {
	Header *Header `json:"backup,omitempty"`
	APIKey *APIKey `json:"apikey,omitempty"`
	Secret *Secret `json:"secret,omitempty"`
	Role   *Role   `json:"role,omitempty"`
	Policy *Policy `json:"policy,omitempty"`
	End    *Counts `json:"end,omitempty"`
}

// Header is the first line of a backup.
type Header struct {
	// Version is the version of the format.
	Version int `json:"version"`
	// CreatedAt is when the backup began.
	CreatedAt metav1.Time `json:"createdAt"`
	// Writer is the version of the program that wrote the backup.
	Writer string `json:"writer"`
}

// APIKey is an APIKey in a backup.
type APIKey struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// CreatedAt is metadata.creationTimestamp, from which spec.validFor counts.
	CreatedAt metav1.Time `json:"createdAt"`
	// Generation tells whether the operator had acted on the spec.
	Generation  int64                 `json:"generation"`
	Labels      map[string]string     `json:"labels,omitempty"`
	Annotations map[string]string     `json:"annotations,omitempty"`
	Spec        v1alpha1.APIKeySpec   `json:"spec"`
	Status      v1alpha1.APIKeyStatus `json:"status"`
}

// Secret is the Secret of an APIKey in a backup. Its name, type and owner follow from the APIKey.
type Secret struct {
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Data        map[string][]byte `json:"data"`
}

// Format implements fmt.Formatter, so that no verb prints a key.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, keys.Redacted) }

// Role is an APIKeyRole in a backup.
type Role struct {
	Name        string                  `json:"name"`
	Labels      map[string]string       `json:"labels,omitempty"`
	Annotations map[string]string       `json:"annotations,omitempty"`
	Spec        v1alpha1.APIKeyRoleSpec `json:"spec"`
}

// Policy is an APIKeyPolicy in a backup.
type Policy struct {
	Name        string                    `json:"name"`
	Labels      map[string]string         `json:"labels,omitempty"`
	Annotations map[string]string         `json:"annotations,omitempty"`
	Spec        v1alpha1.APIKeyPolicySpec `json:"spec"`
}

// Counts is the last line of a backup. A backup without it is incomplete.
type Counts struct {
	APIKeys  int `json:"apikeys"`
	Roles    int `json:"roles"`
	Policies int `json:"policies"`
}

// Writer writes a backup.
type Writer struct {
	to     *json.Encoder
	counts Counts
}

// NewWriter returns a Writer that has written the first line.
func NewWriter(w io.Writer, header Header) (*Writer, error) {
	header.Version = Version
	b := &Writer{to: json.NewEncoder(w)}

	return b, b.to.Encode(line{Header: &header})
}

// Entry writes an APIKey and its Secret.
func (w *Writer) Entry(e *Entry) error {
	w.counts.APIKeys++

	return w.to.Encode(line{APIKey: &e.APIKey, Secret: e.Secret})
}

// Role writes an APIKeyRole.
func (w *Writer) Role(r Role) error {
	w.counts.Roles++

	return w.to.Encode(line{Role: &r})
}

// Policy writes an APIKeyPolicy.
func (w *Writer) Policy(p Policy) error {
	w.counts.Policies++

	return w.to.Encode(line{Policy: &p})
}

// Close writes the last line and returns what the backup holds.
func (w *Writer) Close() (Counts, error) { return w.counts, w.to.Encode(line{End: &w.counts}) }
