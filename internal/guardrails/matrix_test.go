// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// The matrix: every user tries everything in every way. What is to come of it says a model that knows nothing of CEL.

// author is a user with grants. All may edit APIKeys.
type author struct {
	name string
	// grants are the permissions, roles and owners that he may hand out, as "permissions/a"; "*" is all of them.
	grants []string
	// rules are the same as rules of RBAC, elsewhere those in another namespace.
	rules, elsewhere []rbacv1.PolicyRule
	// confined says that he may use no environment but those in rules; everybody else may use all.
	confined bool
}

func authors() []author {
	everything := []rbacv1.PolicyRule{may("grant", "permissions"), may("grant", "roles"), may("assign", "owners")}

	return []author{
		{name: "none@example.com"},
		{name: "one@example.com", grants: []string{"permissions/a"}, rules: []rbacv1.PolicyRule{may("grant", "permissions", "a")}},
		{name: "roles@example.com", grants: []string{"roles/a"}, rules: []rbacv1.PolicyRule{may("grant", "roles", "a")}},
		{name: "owners@example.com", grants: []string{"owners/a"}, rules: []rbacv1.PolicyRule{may("assign", "owners", "a")}},
		// A verb on the wrong resource, and the wrong verb on the right one.
		{
			name:  "wrong@example.com",
			rules: []rbacv1.PolicyRule{may("assign", "permissions"), may("assign", "roles"), may("grant", "owners"), may("grant", "apikeys")},
		},
		{name: "elsewhere@example.com", elsewhere: everything},
		{name: "all@example.com", grants: []string{"*"}, rules: everything},
		{
			name:   "star@example.com",
			grants: []string{"*"},
			rules:  []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}},
		},
		{name: "a"}, // the owner himself
		{name: "nowhere@example.com", confined: true, grants: []string{"permissions/*", "roles/*", "owners/*"}, rules: everything},
		{name: "development@example.com", confined: true, grants: []string{"permissions/*", "roles/*", "owners/*", "environments/Development"},
			rules: append(slices.Clone(everything), may("use", "environments", "Development"))},
	}
}

// granted are the names of what somebody has to grant for an APIKey to have.
func granted(apikey *v1alpha1.APIKey) []string {
	names := []string{"environments/" + string(apikey.Spec.Environment)}
	for _, p := range apikey.Spec.Permissions {
		names = append(names, "permissions/"+string(p))
	}
	for _, r := range apikey.Spec.Roles {
		names = append(names, "roles/"+string(r))
	}
	if apikey.Spec.Owner != "" {
		names = append(names, "owners/"+apikey.Spec.Owner)
	}

	return names
}

// mayDo is the model: whether an author may make a change.
func mayDo(a author, c deed, was, is *v1alpha1.APIKey) bool {
	for _, name := range granted(is) {
		had := was != nil && slices.Contains(granted(was), name)
		own := name == "owners/"+a.name
		list, _, _ := strings.Cut(name, "/")
		granted := slices.Contains(a.grants, name) || slices.Contains(a.grants, list+"/*") || slices.Contains(a.grants, "*") ||
			list == "environments" && !a.confined
		if !own && (!had || c.widens) && !granted {
			return false
		}
	}

	return true
}

// way is how a change is sent: was is what is stored, nil for a creation.
type way struct {
	name    string
	creates bool
	send    func(ctx context.Context, c client.Client, was, is *v1alpha1.APIKey) error
}

func ways() []way {
	apply := func(ctx context.Context, c client.Client, _, is *v1alpha1.APIKey) error {
		return serverSideApply(ctx, c, is)
	}

	return []way{
		{name: "POST", creates: true, send: func(ctx context.Context, c client.Client, _, is *v1alpha1.APIKey) error {
			return c.Create(ctx, is)
		}},
		{name: "server-side apply of a new object", creates: true, send: apply},
		{name: "server-side apply", send: apply},
		{name: "PUT", send: func(ctx context.Context, c client.Client, was, is *v1alpha1.APIKey) error {
			is.ResourceVersion = was.ResourceVersion

			return c.Update(ctx, is)
		}},
		{name: "merge patch", send: func(ctx context.Context, c client.Client, was, is *v1alpha1.APIKey) error {
			patched := was.DeepCopy()
			patched.Spec, patched.Annotations, patched.Labels = is.Spec, is.Annotations, is.Labels

			return c.Patch(ctx, patched, client.MergeFrom(was))
		}},
		{name: "JSON patch", send: func(ctx context.Context, c client.Client, _, is *v1alpha1.APIKey) error {
			operations, err := json.Marshal([]map[string]any{
				{"op": "replace", "path": "/spec", "value": is.Spec},
				{"op": "add", "path": "/metadata/annotations", "value": is.Annotations},
				{"op": "add", "path": "/metadata/labels", "value": is.Labels},
			})
			Expect(err).NotTo(HaveOccurred())

			return c.Patch(ctx, is, client.RawPatch(types.JSONPatchType, operations))
		}},
	}
}

// serverSideApply applies an APIKey as the manager who stored those of the matrix: what is not in it goes.
func serverSideApply(ctx context.Context, c client.Client, apikey *v1alpha1.APIKey) error {
	GinkgoHelper()
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(apikey)
	Expect(err).NotTo(HaveOccurred())
	object := &unstructured.Unstructured{Object: fields}
	object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("APIKey"))
	unstructured.RemoveNestedField(object.Object, "status")

	return c.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("matrix"))
}

var _ = Describe("The matrix of users, contents and operations", func() {
	It("is answered as the model says", func(ctx SpecContext) {
		namespace, elsewhere := newNamespace(ctx), newNamespace(ctx)
		for _, a := range authors() {
			edit := mayEdit
			if a.confined {
				edit.Resources = []string{"apikeys"}
			}
			allow(ctx, a.name, namespace, append(slices.Clone(a.rules), edit)...)
			if a.elsewhere != nil {
				allow(ctx, a.name, elsewhere, a.elsewhere...)
			}
		}
		asked, allowed := 0, 0
		for n, c := range deeds() {
			is := newAPIKey(namespace, named(fmt.Sprintf("key-%d", n)), c.is)
			var was *v1alpha1.APIKey
			if c.was != nil {
				was = newAPIKey(namespace, named(is.Name), c.was)
				Expect(serverSideApply(ctx, admin, was)).To(Succeed())
				Expect(admin.Get(ctx, client.ObjectKeyFromObject(was), was)).To(Succeed())
			}
			for _, w := range ways() {
				if w.creates != (was == nil) {
					continue
				}
				for _, a := range authors() {
					err := w.send(ctx, client.NewDryRunClient(as(a.name)), was.DeepCopy(), is.DeepCopy())
					may := mayDo(a, c, was, is)
					if asked++; may {
						allowed++
					}
					refused := apierrors.IsForbidden(err) && strings.Contains(err.Error(), "apikey-operator-grants")
					if may != (err == nil) || may == refused {
						Fail(fmt.Sprintf("%s by %s: %s to %v: allowed should be %t: %v", w.name, a.name, c.name, is.Spec, may, err))
					}
				}
			}
		}
		AddReportEntry(fmt.Sprintf("%d requests, %d of them allowed", asked, allowed))
	})
})
