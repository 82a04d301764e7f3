// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package backup_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/cli/backup"
	"github.com/apikey-operator/apikey-operator/internal/cli/operations"
)

// rotatesMeanwhile: a rotation between the two reads of a backup gives the new key with its record, and an APIKey without its Secret is left
// out and reported.
func (s *site) rotatesMeanwhile(t *testing.T) {
	s.t = t
	before, after, broken, leaving := activeEntry(t, "web"), activeEntry(t, "web"), activeEntry(t, "broken"), activeEntry(t, "leaving")
	if _, err := s.restore(unlimited(), read(t, written(t, before, broken, leaving))); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		s.admin.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "broken"}}),
		s.admin.Patch(t.Context(), operations.New(leaving.Name(), v1alpha1.APIKeySpec{}),
			client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":["example.com/wait"]}}`))),
		s.admin.Delete(t.Context(), operations.New(leaving.Name(), v1alpha1.APIKeySpec{})),
	); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	racing := interceptor.NewClient(s.admin, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, name client.ObjectKey, into client.Object, options ...client.GetOption) error {
			if _, secret := into.(*corev1.Secret); secret && name.Name == "web" {
				once.Do(func() { s.rotate(ctx, after) })
			}

			return c.Get(ctx, name, into, options...)
		},
	})
	var file bytes.Buffer
	w, err := backup.NewWriter(&file, backup.Header{CreatedAt: start(), Writer: "test"})
	if err != nil {
		t.Fatal(err)
	}
	left := map[string]error{}
	source := backup.Source{Service: operations.Service{Client: racing, Clock: clock.RealClock{}}}
	if err := source.Collect(t.Context(), "default", w, func(name types.NamespacedName, err error) { left[name.Name] = err }); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if len(left) != 1 || left["broken"] == nil {
		t.Errorf("left out: %v", left)
	}
	for e := range read(t, file.Bytes()).Entries() {
		if e.APIKey.Name != "web" || !cmp.Equal(e.Secret.Data, after.Secret.Data) || e.APIKey.Status.Keys[0].Digest != after.APIKey.Status.Keys[0].Digest {
			t.Errorf("the backup has %s with a Secret and a status that do not belong together", e.APIKey.Name)
		}
	}
	if err := s.admin.Patch(t.Context(), operations.New(leaving.Name(), v1alpha1.APIKeySpec{}),
		client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))); err != nil {
		t.Fatal(err)
	}
	s.clear()
}

// rotate puts the key of an entry in place of another, as the operator does.
func (s *site) rotate(ctx context.Context, e *backup.Entry) {
	s.t.Helper()
	operator := s.target(unlimited()).Operator
	var secret corev1.Secret
	var apikey v1alpha1.APIKey
	if err := errors.Join(s.admin.Get(ctx, e.Name(), &secret), s.admin.Get(ctx, e.Name(), &apikey)); err != nil {
		s.t.Fatal(err)
	}
	secret.Data, secret.Annotations = e.Secret.Data, e.Secret.Annotations
	if err := operator.Update(ctx, &secret); err != nil {
		s.t.Fatal(err)
	}
	apikey.Status.Keys, apikey.Status.SecretRef.ResourceVersion = e.APIKey.Status.Keys, secret.ResourceVersion
	if err := operator.Status().Update(ctx, &apikey); err != nil {
		s.t.Fatal(err)
	}
}

// holdsLease: the Lease of an operator that is gone is taken over when its term has passed, held during the work, and given back. That of an
// operator that renews is not taken, and a loss ends the work.
func (s *site) holdsLease(t *testing.T) {
	const namespace = "apikey-operator-system"
	as := rest.CopyConfig(s.Config)
	as.Impersonate.UserName = operatorUser
	admin, err := s.Client()
	if err != nil {
		t.Fatal(err)
	}
	waited := 0
	lease, err := backup.NewLease(as, namespace, func(string, int) { waited++ })
	if err != nil {
		t.Fatal(err)
	}
	gone := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: backup.LeaseName},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: new("gone"), LeaseDurationSeconds: new(int32(2)), RenewTime: new(metav1.NowMicro()), AcquireTime: new(metav1.NowMicro()),
		},
	}
	if err := admin.Create(t.Context(), gone); client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
	holder := func() string {
		var live coordinationv1.Lease
		if err := admin.Get(t.Context(), client.ObjectKeyFromObject(gone), &live); err != nil {
			t.Fatal(err)
		}

		return *live.Spec.HolderIdentity
	}
	during := ""
	if err := lease.Hold(t.Context(), func(context.Context) error {
		during = holder()

		return errKilled
	}); !errors.Is(err, errKilled) || during == "" || during == "gone" || waited != 1 {
		t.Errorf("held by %q, waited %d times, ended with %v", during, waited, err)
	}
	if got := holder(); got != "" {
		t.Errorf("after the work %q holds the Lease", got)
	}
	interrupted, interrupt := context.WithCancelCause(t.Context())
	if err := lease.Hold(interrupted, func(ctx context.Context) error {
		interrupt(errKilled)
		<-ctx.Done()

		return context.Cause(ctx)
	}); !errors.Is(err, errKilled) || holder() != "" {
		t.Errorf("interrupted: %v, held by %q", err, holder())
	}
	if err := lease.Hold(interrupted, func(context.Context) error { return nil }); !errors.Is(err, errKilled) {
		t.Errorf("interrupted before it was held: %v", err)
	}
	err = lease.Hold(t.Context(), func(ctx context.Context) error {
		if err := admin.Patch(ctx, gone, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"holderIdentity":"thief"}}`))); err != nil {
			return err
		}
		<-ctx.Done()

		return context.Cause(ctx)
	})
	if err == nil || !strings.Contains(err.Error(), "was lost") {
		t.Errorf("without the Lease: %v", err)
	}
}
