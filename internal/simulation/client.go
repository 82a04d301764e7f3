// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/simulation/apimodel"
)

// verb is the kind of a call.
type verb int

const (
	readSecret verb = iota
	createSecret
	updateSecret
	deleteSecret
	writeStatus
)

func (v verb) String() string {
	return [...]string{"get Secret", "create Secret", "update Secret", "delete Secret", "update status"}[v]
}

// call is a call to the API server that waits for its turn.
type call struct {
	verb          verb
	name          string
	secret        *corev1.Secret
	apikey        *v1alpha1.APIKey
	preconditions apimodel.Preconditions
	pass          *pass
	sent          time.Time
	// err is the answer. A call without an error has stored its result in secret or apikey.
	err error
}

// errDead is the answer to a call of a process that has ended.
var errDead = errors.New("the process has ended")

// passKey is the key of the context with the pass that makes a call, and of its way to wait.
type passKey struct{}

type passContext struct {
	pass *pass
	wait func(*call) bool
}

// send waits for the turn of a call and returns its answer.
func (o *operator) send(ctx context.Context, c *call) error {
	running, ok := ctx.Value(passKey{}).(passContext)
	if !ok {
		return errDead
	}
	c.pass = running.pass
	if c.pass.dead || !running.wait(c) {
		return errDead
	}

	return c.err
}

// apikeyClient reads APIKeys from the cache and writes their status.
type apikeyClient struct {
	client.Client

	operator *operator
}

// Get implements client.Reader. Like the client of the manager, it waits for the process's own writes.
func (c apikeyClient) Get(ctx context.Context, name client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	c.operator.catchUp()
	cached, found := c.operator.apikeys.objects[name.Name]
	if !found {
		return apierrors.NewNotFound(schema.GroupResource{Group: v1alpha1.GroupName, Resource: "apikeys"}, name.Name)
	}
	from, isAPIKey := cached.(*v1alpha1.APIKey)
	to, wantsAPIKey := into.(*v1alpha1.APIKey)
	if !isAPIKey || !wantsAPIKey {
		return fmt.Errorf("%T is not read from this cache", into)
	}
	if running, ok := ctx.Value(passKey{}).(passContext); ok {
		running.pass.seen = from
	}
	from.DeepCopyInto(to)

	return nil
}

// Scheme implements client.Client.
func (c apikeyClient) Scheme() *runtime.Scheme { return c.operator.world.scheme }

// Status implements client.StatusClient.
func (c apikeyClient) Status() client.SubResourceWriter { return statusWriter{operator: c.operator} }

type statusWriter struct {
	client.SubResourceWriter

	operator *operator
}

// Update implements client.SubResourceWriter.
func (w statusWriter) Update(ctx context.Context, object client.Object, _ ...client.SubResourceUpdateOption) error {
	apikey, ok := object.(*v1alpha1.APIKey)
	if !ok {
		return fmt.Errorf("%T has no status here", object)
	}
	c := &call{verb: writeStatus, name: apikey.Name, apikey: apikey}
	if err := w.operator.send(ctx, c); err != nil {
		return err
	}
	c.apikey.DeepCopyInto(apikey)
	w.operator.written = max(w.operator.written, versionOf(apikey))
	w.operator.world.oracle.answered(w.operator, apikey)

	return nil
}

// metadataReader reads the metadata of Secrets from the cache.
type metadataReader struct {
	client.Reader

	operator *operator
}

// Get implements client.Reader.
func (r metadataReader) Get(_ context.Context, name client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	cached, found := r.operator.secrets.objects[name.Name]
	if !found {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, name.Name)
	}
	from, isMeta := cached.(*metav1.PartialObjectMetadata)
	to, wantsMeta := into.(*metav1.PartialObjectMetadata)
	if !isMeta || !wantsMeta {
		return fmt.Errorf("%T is not read from this cache", into)
	}
	from.DeepCopyInto(to)

	return nil
}

// noPolicies is a cluster without APIKeyPolicies.
type noPolicies struct{ client.Reader }

// List implements client.Reader.
func (noPolicies) List(context.Context, client.ObjectList, ...client.ListOption) error { return nil }

// secretClient reads and writes Secrets without a cache.
type secretClient struct {
	client.Client

	operator *operator
}

// Get implements client.Reader.
func (c secretClient) Get(ctx context.Context, name client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	return c.send(ctx, &call{verb: readSecret, name: name.Name}, into)
}

// Create implements client.Writer.
func (c secretClient) Create(ctx context.Context, object client.Object, _ ...client.CreateOption) error {
	return c.send(ctx, &call{verb: createSecret, name: object.GetName()}, object)
}

// Update implements client.Writer.
func (c secretClient) Update(ctx context.Context, object client.Object, _ ...client.UpdateOption) error {
	return c.send(ctx, &call{verb: updateSecret, name: object.GetName()}, object)
}

// Delete implements client.Writer.
func (c secretClient) Delete(ctx context.Context, object client.Object, options ...client.DeleteOption) error {
	o := (&client.DeleteOptions{}).ApplyOptions(options)
	deletion := &call{verb: deleteSecret, name: object.GetName()}
	if p := o.Preconditions; p != nil && p.UID != nil {
		deletion.preconditions.UID = *p.UID
	}
	if p := o.Preconditions; p != nil && p.ResourceVersion != nil {
		deletion.preconditions.ResourceVersion = *p.ResourceVersion
	}

	return c.operator.send(ctx, deletion)
}

// send sends a call with a Secret, and stores the answer in it.
func (c secretClient) send(ctx context.Context, request *call, object client.Object) error {
	secret, ok := object.(*corev1.Secret)
	if !ok {
		return fmt.Errorf("%T is not a Secret", object)
	}
	request.secret = secret
	if err := c.operator.send(ctx, request); err != nil {
		return err
	}
	request.secret.DeepCopyInto(secret)

	return nil
}
