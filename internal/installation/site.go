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
	// probeName begins the names of everything that is made here.
	probeName = "guardrail-probe"
	// cleanupLimit is how long the removal of temporary objects may take, also after the wait was interrupted.
	cleanupLimit = 30 * time.Second
)

// site is an API server as one user sees it.
type site struct {
	config    *rest.Config
	client    client.Client
	operator  string // the user that the guardrails take for the operator
	namespace string // where objects are asked for: that of the operator, once it is known
	name      string // of all temporary objects; nobody else uses it
	made      []client.Object
}

// newSite connects to an API server.
func newSite(config *rest.Config, namespace string) (*site, error) {
	kinds := runtime.NewScheme()
	utilruntime.Must(scheme.AddToScheme(kinds))
	utilruntime.Must(v1alpha1.AddToScheme(kinds))
	config = rest.CopyConfig(config)
	config.WarningHandler = rest.NoWarnings{} // requests that are wrong on purpose cause some
	config.QPS = -1                           // a few requests a round; the API server decides how many are too many
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

// ensure makes a temporary object. One from an earlier round stays; one that was lost with its CRD is made again.
func (s *site) ensure(ctx context.Context, object client.Object) error {
	object.SetName(s.name)
	known := func(made client.Object) bool { return reflect.TypeOf(made) == reflect.TypeOf(object) }
	if !slices.ContainsFunc(s.made, known) {
		s.made = append(s.made, object) // before it is made: after an answer that got lost it exists all the same
	}

	return client.IgnoreAlreadyExists(s.client.Create(ctx, object))
}

// remove deletes what was made, the last first.
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
