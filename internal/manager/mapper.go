// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"net/http"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// mapper returns the resources of all kinds that the operator uses. They are known beforehand, so the operator needs no discovery: with it,
// controller-runtime waits 10 seconds before it asks again an API server that did not answer at the start.
func mapper(*rest.Config, *http.Client) (meta.RESTMapper, error) {
	m := meta.NewDefaultRESTMapper(nil)
	for _, r := range []struct {
		group            schema.GroupVersion
		kind             string
		plural, singular string
		scope            meta.RESTScope
	}{
		{v1alpha1.GroupVersion, "APIKey", "apikeys", "apikey", meta.RESTScopeNamespace},
		{v1alpha1.GroupVersion, "APIKeyPolicy", "apikeypolicies", "apikeypolicy", meta.RESTScopeRoot},
		{corev1.SchemeGroupVersion, "Secret", "secrets", "secret", meta.RESTScopeNamespace},
		{corev1.SchemeGroupVersion, "Namespace", "namespaces", "namespace", meta.RESTScopeRoot},
		{
			admissionregistrationv1.SchemeGroupVersion, "ValidatingAdmissionPolicy",
			"validatingadmissionpolicies", "validatingadmissionpolicy", meta.RESTScopeRoot,
		},
		{
			admissionregistrationv1.SchemeGroupVersion, "ValidatingAdmissionPolicyBinding",
			"validatingadmissionpolicybindings", "validatingadmissionpolicybinding", meta.RESTScopeRoot,
		},
		{authenticationv1.SchemeGroupVersion, "SelfSubjectReview", "selfsubjectreviews", "selfsubjectreview", meta.RESTScopeRoot},
	} {
		m.AddSpecific(r.group.WithKind(r.kind), r.group.WithResource(r.plural), r.group.WithResource(r.singular), r.scope)
	}

	return m, nil
}
