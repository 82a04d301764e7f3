// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apimodel

import (
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// Namespace is the only namespace of a Server.
const Namespace = "storefront"

// Server is the model of an API server with the APIKeys and Secrets of one namespace. Stored objects never change: every write stores another
// object, so readers may share them. A Server serves one goroutine.
type Server struct {
	APIKeys Resource[*v1alpha1.APIKey]
	Secrets Resource[*corev1.Secret]

	// Requested is called after every write, unless it is nil.
	Requested func(Request)

	clock   clock.PassiveClock
	version uint64
	uids    int
}

// Change is an event of a watch. Before is nil for a new object, and After is nil for a removed one.
type Change[T client.Object] struct {
	Before, After T
	// Removed reports that After is nil.
	Added, Removed bool
	// Version is the resource version of the change, which for a removal is later than that of Before.
	Version uint64
}

// Verb is the kind of a write.
type Verb string

// The writes of a Server.
const (
	VerbCreate       Verb = "create"
	VerbUpdate       Verb = "update"
	VerbUpdateStatus Verb = "update status"
	VerbDelete       Verb = "delete"
)

// Request is a write and its result.
type Request struct {
	Verb Verb
	// Sent is the object as it was sent; for a deletion it has the name only.
	Sent client.Object
	// Preconditions and Finalizer are those of a deletion.
	Preconditions Preconditions
	Finalizer     string
	// Stored is the object after the write; nil: there is none.
	Stored client.Object
	// Err is the answer.
	Err error
}

// New returns an empty Server. Its clock sets creation and deletion timestamps.
func New(clock clock.PassiveClock) *Server {
	s := &Server{clock: clock}
	s.APIKeys = Resource[*v1alpha1.APIKey]{server: s, rules: apikeyRules{}, objects: map[string]*v1alpha1.APIKey{}}
	s.Secrets = Resource[*corev1.Secret]{server: s, rules: secretRules{}, objects: map[string]*corev1.Secret{}}

	return s
}

// now returns the time as timestamps have it.
func (s *Server) now() metav1.Time {
	return metav1.Time{Time: s.clock.Now().Truncate(time.Second).UTC()}
}

func (s *Server) nextVersion() uint64 {
	s.version++

	return s.version
}

func (s *Server) nextUID() types.UID {
	s.uids++

	return types.UID("uid-" + strconv.Itoa(s.uids))
}
