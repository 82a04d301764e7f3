// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// outageEffects returns the names of what is asked for, in the order of the report.
func outageEffects() []string {
	return []string{
		"rotation without overlap", "deletion of a revoked key's Secret", "refusal of the revoked key", "first key", "key after the deletion of its Secret",
		"report of a changed policy",
	}
}

// outageSubjects are the objects of one outage.
type outageSubjects struct {
	site                           *outageSite
	rotated, revoked, made, secret *v1alpha1.APIKey
	policed                        *v1alpha1.APIKey // in the only namespace that the policy is for
	policy                         *v1alpha1.APIKeyPolicy
	key                            string // that of revoked
	uid                            types.UID
	value                          string // of the rotation
}

// policedNamespace is the namespace that the policy is for, and the name of the policy.
const policedNamespace = "policed"

// createPoliced creates the namespace, its policy and an APIKey there.
func (s *outageSite) createPoliced(ctx context.Context) error {
	key := newOutageKey(policedNamespace)
	key.Namespace = policedNamespace
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: policedNamespace}},
		&v1alpha1.APIKeyPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: policedNamespace},
			Spec: v1alpha1.APIKeyPolicySpec{
				NamespaceSelector: &v1alpha1.NamespaceSelector{MatchLabels: map[string]v1alpha1.LabelValue{corev1.LabelMetadataName: policedNamespace}},
				Environments:      []v1alpha1.Environment{v1alpha1.EnvironmentProduction},
			},
		},
		key,
	} {
		if err := s.client.Create(ctx, object); err != nil {
			return err
		}
	}

	return nil
}

// newOutageKey returns an APIKey.
func newOutageKey(name string) *v1alpha1.APIKey {
	return &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: outageNamespace, Name: name},
		Spec:       v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentProduction},
	}
}

// newSubjects makes the objects of an outage, waits until they are settled, and until the verifier accepts the key that will be revoked.
func (s *outageSite) newSubjects(ctx context.Context, i int) (*outageSubjects, error) {
	o := &outageSubjects{
		site: s, rotated: newOutageKey(fmt.Sprintf("rotated-%d", i)), revoked: newOutageKey(fmt.Sprintf("revoked-%d", i)),
		made: newOutageKey(fmt.Sprintf("made-%d", i)), secret: newOutageKey(fmt.Sprintf("secret-%d", i)), value: fmt.Sprintf("outage-%d", i),
		policy: &v1alpha1.APIKeyPolicy{ObjectMeta: metav1.ObjectMeta{Name: policedNamespace}}, policed: newOutageKey("policed"),
	}
	o.policed.Namespace = policedNamespace
	if err := o.allow(ctx, v1alpha1.EnvironmentProduction); err != nil {
		return nil, err
	}
	for _, key := range []*v1alpha1.APIKey{o.rotated, o.revoked, o.secret} {
		if err := s.client.Create(ctx, key); err != nil {
			return nil, err
		}
		if err := eventually(ctx, "a key", func(ctx context.Context) error { return s.active(ctx, key) }); err != nil {
			return nil, err
		}
	}
	secret := &corev1.Secret{}
	if err := s.client.Get(ctx, client.ObjectKeyFromObject(o.revoked), secret); err != nil {
		return nil, err
	}
	o.key, o.uid = string(secret.Data[v1alpha1.SecretKeyDefault]), o.secret.Status.SecretRef.UID
	for _, check := range []func(context.Context) error{
		func(ctx context.Context) error { return s.answers(ctx, o.key, http.StatusOK) },
		func(ctx context.Context) error { return o.compliant(ctx, metav1.ConditionTrue) },
	} {
		if err := eventually(ctx, "the state before the outage", check); err != nil {
			return nil, err
		}
	}

	return o, nil
}

// allow changes the policy. A request is repeated until the API server carries it out.
func (o *outageSubjects) allow(ctx context.Context, environment v1alpha1.Environment) error {
	return o.patch(ctx, o.policy, fmt.Sprintf(`{"spec":{"environments":[%q]}}`, environment))
}

func (o *outageSubjects) patch(ctx context.Context, object client.Object, patch string) error {
	return eventually(ctx, "a request", func(ctx context.Context) error {
		return o.site.client.Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte(patch)))
	})
}

// request asks for all effects.
func (o *outageSubjects) request(ctx context.Context) error {
	for _, ask := range []func() error{
		func() error {
			return o.patch(ctx, o.rotated, fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.RotateAnnotation, o.value))
		},
		func() error { return o.patch(ctx, o.revoked, `{"spec":{"revoked":true}}`) },
		func() error {
			return eventually(ctx, "a creation", func(ctx context.Context) error {
				return client.IgnoreAlreadyExists(o.site.client.Create(ctx, o.made))
			})
		},
		func() error {
			return eventually(ctx, "a deletion", func(ctx context.Context) error {
				return client.IgnoreNotFound(o.site.client.Delete(ctx, &corev1.Secret{
					ObjectMeta: metav1.ObjectMeta{Namespace: o.secret.Namespace, Name: o.secret.Name},
				}))
			})
		},
		func() error { return o.allow(ctx, v1alpha1.EnvironmentDevelopment) },
	} {
		if err := ask(); err != nil {
			return err
		}
	}

	return nil
}

// await waits for all effects, and returns when each had happened after a time.
func (o *outageSubjects) await(ctx context.Context, since time.Time) (map[string]time.Duration, error) {
	names := outageEffects()
	checks := []func(context.Context) error{
		o.isRotated, o.isDeleted, func(ctx context.Context) error { return o.site.answers(ctx, o.key, http.StatusUnauthorized) },
		func(ctx context.Context) error { return o.site.active(ctx, o.made) }, o.isMintedAgain,
		func(ctx context.Context) error { return o.compliant(ctx, metav1.ConditionFalse) },
	}
	var mu sync.Mutex
	took := map[string]time.Duration{}
	group, running := errgroup.WithContext(ctx)
	for i, check := range checks {
		group.Go(func() error {
			err := eventually(running, names[i], check)
			mu.Lock()
			defer mu.Unlock()
			took[names[i]] = time.Since(since)

			return err
		})
	}

	return took, group.Wait()
}
