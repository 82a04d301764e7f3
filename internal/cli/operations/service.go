// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// FieldManager names this client in managedFields.
const FieldManager = "kubectl-apikey"

// Service performs operations on the APIKeys of one cluster.
type Service struct {
	// Client acts for the user. It reads and writes directly, without a cache.
	Client client.WithWatch
	// Clock tells the time, for expiry and last use.
	Clock clock.WithTicker
}

// Connect returns a client that acts with the credentials of cfg. It sends no request: the kinds that operations need are known.
func Connect(cfg *rest.Config) (client.WithWatch, error) {
	kinds, err := Scheme()
	if err != nil {
		return nil, err
	}
	c, err := client.NewWithWatch(cfg, client.Options{Scheme: kinds, Mapper: mapper()})
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster at %s: %w", cfg.Host, err)
	}

	return c, nil
}

// Scheme returns a scheme that knows the built-in kinds and those of this project.
func Scheme() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	if err := scheme.AddToScheme(s); err != nil {
		return nil, err
	}

	return s, v1alpha1.AddToScheme(s)
}

// mapper knows the resources of the kinds that operations use, so that a command needs no discovery requests.
func mapper() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper(nil)
	add := func(version schema.GroupVersion, scope meta.RESTScope, kindsAndResources ...string) {
		for pair := range slices.Chunk(kindsAndResources, 2) {
			resource := version.WithResource(pair[1])
			m.AddSpecific(version.WithKind(pair[0]), resource, version.WithResource(strings.ToLower(pair[0])), scope)
		}
	}
	add(v1alpha1.GroupVersion, meta.RESTScopeNamespace, "APIKey", "apikeys")
	add(v1alpha1.GroupVersion, meta.RESTScopeRoot, "APIKeyRole", "apikeyroles", "APIKeyPolicy", "apikeypolicies")
	add(corev1.SchemeGroupVersion, meta.RESTScopeNamespace, "Secret", "secrets", "Pod", "pods", "Event", "events")
	add(corev1.SchemeGroupVersion, meta.RESTScopeRoot, "Namespace", "namespaces")
	add(appsv1.SchemeGroupVersion, meta.RESTScopeNamespace, "Deployment", "deployments", "StatefulSet", "statefulsets", "DaemonSet", "daemonsets")
	add(batchv1.SchemeGroupVersion, meta.RESTScopeNamespace, "CronJob", "cronjobs")
	add(rbacv1.SchemeGroupVersion, meta.RESTScopeNamespace, "Role", "roles", "RoleBinding", "rolebindings")
	add(rbacv1.SchemeGroupVersion, meta.RESTScopeRoot, "ClusterRole", "clusterroles", "ClusterRoleBinding", "clusterrolebindings")
	add(authenticationv1.SchemeGroupVersion, meta.RESTScopeRoot, "SelfSubjectReview", "selfsubjectreviews")
	add(authorizationv1.SchemeGroupVersion, meta.RESTScopeRoot,
		"SelfSubjectAccessReview", "selfsubjectaccessreviews", "SelfSubjectRulesReview", "selfsubjectrulesreviews")

	return m
}
