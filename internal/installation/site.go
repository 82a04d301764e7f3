// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

const (
	// probeName begins the names of all temporary objects.
	probeName = "guardrail-probe"
	// cleanupLimit is how long the deletion of temporary objects may take. It also applies after an interruption.
	cleanupLimit = 30 * time.Second
)

// site is an API server as one user sees it.
type site struct {
	config    *rest.Config
	client    client.Client
	operator  string // the user that the guardrails regard as the operator
	namespace string // of all requests; that of the operator once it is known, unless fixed
	fixed     bool   // the caller chose the namespace
	name      string // of all temporary objects; random
	made      []client.Object
}

// newSite connects to an API server.
func newSite(config *rest.Config, namespace string) (*site, error) {
	kinds := runtime.NewScheme()
	utilruntime.Must(scheme.AddToScheme(kinds))
	utilruntime.Must(v1alpha1.AddToScheme(kinds))
	config = rest.CopyConfig(config)
	config.WarningHandler = rest.NoWarnings{} // probes cause warnings on purpose
	config.QPS = -1                           // a round has few requests; the API server limits their rate
	c, err := client.New(config, client.Options{Scheme: kinds})
	if err != nil {
		return nil, err
	}

	return &site{config: config, client: c, namespace: namespace, name: probeName + "-" + strings.ToLower(rand.Text()[:8])}, nil
}

// as returns a client of another user.
func (s *site) as(user string) (client.Client, error) {
	config := rest.CopyConfig(s.config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user}

	return client.New(config, client.Options{Scheme: s.client.Scheme(), Mapper: s.client.RESTMapper()})
}

// ensure creates a temporary object unless it exists. It creates an object again that was deleted with its CRD.
func (s *site) ensure(ctx context.Context, object client.Object) error {
	object.SetName(s.name)
	known := func(made client.Object) bool { return reflect.TypeOf(made) == reflect.TypeOf(object) }
	if !slices.ContainsFunc(s.made, known) {
		s.made = append(s.made, object) // before the request: it may succeed although its answer is lost
	}

	return client.IgnoreAlreadyExists(s.client.Create(ctx, object))
}

// remove deletes all temporary objects, the newest first.
func (s *site) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupLimit)
	defer cancel()
	var errs []error
	for _, object := range slices.Backward(s.made) {
		err := s.client.Delete(ctx, object)
		if err != nil && !apierrors.IsNotFound(err) && !meta.IsNoMatchError(err) {
			errs = append(errs, fmt.Errorf("delete the temporary %T %s in namespace %q yourself: %w", object, s.name, object.GetNamespace(), err))
		}
	}
	s.made = nil

	return errors.Join(errs...)
}
