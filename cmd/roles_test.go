// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

const operatorUser = "system:serviceaccount:" + namespace + ":" + account

// TestRolesAreEnoughAndNoMore runs two managers with the roles of the manifests through every flow. By the audit log, none of their
// requests is refused, and each right of the roles is used. The API server checks, as some distributions do, that who makes an
// object the owner of another may keep that owner from being deleted.
func TestRolesAreEnoughAndNoMore(t *testing.T) {
	audit, err := testkit.NewAudit(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	args := audit.Args()
	args["enable-admission-plugins"] = []string{"OwnerReferencesPermissionEnforcement"}
	plane := testkit.StartFor(t, testkit.Options{WithoutCRDs: true, APIServerArgs: args})
	plane.InstallFor(t, "config/default", "")
	admin, err := plane.Client()
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := plane.Kubeconfig(operatorUser, "system:serviceaccounts", "system:serviceaccounts:"+namespace)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", kubeconfig)
	awaitOwners(t, admin, plane)
	first, second := start(t), start(t)
	for _, replica := range []*replica{first, second} {
		replica.eventually(t, "http://"+replica.probes+"/readyz", "", http.StatusOK)
	}
	f := &flows{t: t, admin: admin, namespace: "default"}
	f.live()
	f.end()
	f.conflict()
	servesMetrics(t, admin, first)
	third := handsOver(t, admin, first, second)

	requests, err := audit.Requests(operatorUser)
	if err != nil {
		t.Fatal(err)
	}
	if refused := testkit.Forbidden(requests); len(refused) > 0 {
		t.Errorf("the roles lack rights: %v", refused)
	}
	for _, right := range testkit.Unused(rulesOf(t, "config/default", account), requests) {
		if _, needed := usedElsewhere[right]; !needed {
			t.Errorf("the roles give a right that is not used: %s", right)
		}
	}
	third.mayLackRights = true
	t.Run("a right that is missing is noticed", func(t *testing.T) { missesDeletion(t, admin, audit) })
	t.Run("a stolen token makes, changes and deletes no other Secret", func(t *testing.T) { stolenToken(t, admin, plane) })
}

// usedElsewhere are the rights that no request of the flows has to use.
var usedElsewhere = map[string]string{
	`update apikeys/finalizers in group "apikey-operator.io"`: "asked by admission, about the owner reference",
	`patch events in group ""`:                                "of an event that repeats while its object does not change",
	`patch events in group "events.k8s.io"`:                   "likewise",
}

// awaitOwners waits until that admission knows the kinds of the CRDs. It looks for new ones twice a minute.
func awaitOwners(t *testing.T, admin client.Client, plane *testkit.ControlPlane) {
	t.Helper()
	const user = "somebody@example.com"
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "somebody"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"create"}},
		{APIGroups: []string{v1alpha1.GroupName}, Resources: []string{"apikeys/finalizers"}, Verbs: []string{"update"}},
	}}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "somebody"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "somebody"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}
	for _, object := range []client.Object{role, binding} {
		if err := admin.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := plane.User(user)
	if err != nil {
		t.Fatal(err)
	}
	somebody, err := client.New(cfg, client.Options{Scheme: testkit.Scheme(), Mapper: admin.RESTMapper()})
	if err != nil {
		t.Fatal(err)
	}
	owned := otherSecret("owned", corev1.SecretTypeOpaque)
	owned.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: "APIKey", Name: "a", UID: "u", BlockOwnerDeletion: new(true),
	}}
	var last error
	if err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, 2*patience, true, func(ctx context.Context) (bool, error) {
		last = somebody.Create(ctx, owned.DeepCopy(), client.DryRunAll)

		return last == nil, nil
	}); err != nil {
		t.Fatal(last)
	}
}

// flows are what the operator does for APIKeys.
type flows struct {
	t         *testing.T
	admin     client.Client
	namespace string
}

// key makes an APIKey.
func (f *flows) key(name string, change func(*v1alpha1.APIKeySpec)) *v1alpha1.APIKey {
	f.t.Helper()
	key := &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.namespace, Name: name},
		Spec:       v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentDevelopment},
	}
	change(&key.Spec)
	if err := f.admin.Create(f.t.Context(), key); err != nil {
		f.t.Fatal(err)
	}

	return key
}

// patch changes an APIKey.
func (f *flows) patch(key *v1alpha1.APIKey, patch string) {
	f.t.Helper()
	if err := f.admin.Patch(f.t.Context(), key, client.RawPatch("application/merge-patch+json", []byte(patch))); err != nil {
		f.t.Fatal(err)
	}
}

// until waits until an APIKey is as it should be.
func (f *flows) until(key *v1alpha1.APIKey, what string, holds func() bool) {
	f.t.Helper()
	if err := wait.PollUntilContextTimeout(f.t.Context(), 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		err := f.admin.Get(ctx, client.ObjectKeyFromObject(key), key)

		return err == nil && holds(), client.IgnoreNotFound(err)
	}); err != nil {
		f.t.Fatalf("%s: %v; status is %+v", what, err, key.Status)
	}
}

func (f *flows) phase(key *v1alpha1.APIKey, phase v1alpha1.Phase) {
	f.t.Helper()
	f.until(key, string(phase), func() bool {
		return key.Status.Phase == phase && key.Status.ObservedGeneration == key.Generation
	})
}

// live mints a key and does to it what leaves it working.
func (f *flows) live() {
	f.t.Helper()
	key := f.key("living", func(spec *v1alpha1.APIKeySpec) {
		spec.Rotation = &v1alpha1.Rotation{Overlap: "1h"}
		spec.Secret = &v1alpha1.SecretTemplate{Labels: map[string]v1alpha1.LabelValue{"team": "web"}}
	})
	f.phase(key, v1alpha1.PhaseActive)
	for _, value := range []string{"1", "2", "3"} { // from the second on, the event is one of a series
		f.patch(key, fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.RotateAnnotation, value))
		f.until(key, "rotation "+value, func() bool {
			return key.Status.LastRotation.Value == value && key.Status.Keys[len(key.Status.Keys)-1].State == v1alpha1.KeyActive
		})
	}
	f.patch(key, `{"spec":{"secret":{"labels":{"team":"shop"}}}}`)
	f.phase(key, v1alpha1.PhaseActive)
	f.patch(key, `{"spec":{"suspend":true}}`)
	f.phase(key, v1alpha1.PhaseSuspended)
	f.patch(key, `{"spec":{"suspend":false}}`)
	f.phase(key, v1alpha1.PhaseActive)
	before := key.Status.SecretRef.UID
	if err := f.admin.Delete(f.t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}); err != nil {
		f.t.Fatal(err)
	}
	f.until(key, "another Secret", func() bool {
		return key.Status.Phase == v1alpha1.PhaseActive && key.Status.SecretRef != nil && key.Status.SecretRef.UID != before
	})
}

// end ends keys in each way.
func (f *flows) end() {
	f.t.Helper()
	expiring := f.key("expiring", func(spec *v1alpha1.APIKeySpec) { spec.ValidFor = "2s" })
	revoked := f.key("revoked", func(*v1alpha1.APIKeySpec) {})
	f.phase(revoked, v1alpha1.PhaseActive)
	f.patch(revoked, `{"spec":{"revoked":true}}`)
	f.phase(revoked, v1alpha1.PhaseRevoked)
	f.phase(expiring, v1alpha1.PhaseExpired)
	for _, key := range []*v1alpha1.APIKey{expiring, revoked} {
		f.until(key, "its Secret is gone", func() bool {
			return apierrors.IsNotFound(f.admin.Get(f.t.Context(), client.ObjectKeyFromObject(key), &corev1.Secret{}))
		})
		if err := f.admin.Delete(f.t.Context(), key); err != nil {
			f.t.Fatal(err)
		}
	}
}

// conflict is about a Secret that is not ours.
func (f *flows) conflict() {
	f.t.Helper()
	other := otherSecret("taken", corev1.SecretTypeOpaque)
	other.Namespace = f.namespace
	if err := f.admin.Create(f.t.Context(), other); err != nil {
		f.t.Fatal(err)
	}
	key := f.key("taken", func(*v1alpha1.APIKeySpec) {})
	f.until(key, "a conflict", func() bool {
		return slices.ContainsFunc(key.Status.Conditions, func(c metav1.Condition) bool { return c.Reason == v1alpha1.ReasonSecretConflict })
	})
}

func otherSecret(name string, kind corev1.SecretType) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: name, Annotations: map[string]string{corev1.ServiceAccountNameKey: "default"},
		},
		Type: kind, Data: map[string][]byte{"a": []byte("b")},
	}
}

// rulesOf are the rules that the manifests of a folder give a service account.
func rulesOf(t *testing.T, folder, account string) []rbacv1.PolicyRule {
	t.Helper()
	var bindings []rbacv1.RoleBinding
	rules := map[string][]rbacv1.PolicyRule{}
	for document := range bytes.SplitSeq(testkit.Kustomize(t, folder), []byte("\n---\n")) {
		var binding rbacv1.RoleBinding // has the fields of a ClusterRoleBinding
		if err := yaml.Unmarshal(document, &binding); err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.HasSuffix(binding.Kind, "RoleBinding"):
			bindings = append(bindings, binding)
		case strings.HasSuffix(binding.Kind, "Role"):
			var role rbacv1.Role
			if err := yaml.Unmarshal(document, &role); err != nil {
				t.Fatal(err)
			}
			rules[role.Kind+"/"+role.Namespace+"/"+role.Name] = role.Rules
		}
	}
	var all []rbacv1.PolicyRule
	for _, binding := range bindings {
		if slices.ContainsFunc(binding.Subjects, func(s rbacv1.Subject) bool { return s.Name == account }) {
			namespace := binding.Namespace
			if binding.RoleRef.Kind == "ClusterRole" {
				namespace = ""
			}
			all = append(all, rules[binding.RoleRef.Kind+"/"+namespace+"/"+binding.RoleRef.Name]...)
		}
	}

	return all
}

// missesDeletion takes a right away, and sees that the audit log shows it.
func missesDeletion(t *testing.T, admin client.Client, audit *testkit.Audit) {
	role := &rbacv1.ClusterRole{}
	if err := admin.Get(t.Context(), client.ObjectKey{Name: "apikey-operator-manager-role"}, role); err != nil {
		t.Fatal(err)
	}
	for i, rule := range role.Rules {
		if slices.Contains(rule.Resources, "secrets") {
			role.Rules[i].Verbs = slices.DeleteFunc(rule.Verbs, func(verb string) bool { return verb == "delete" })
		}
	}
	if err := admin.Update(t.Context(), role); err != nil {
		t.Fatal(err)
	}
	f := &flows{t: t, admin: admin, namespace: "default"}
	key := &v1alpha1.APIKey{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "living"}}
	f.patch(key, `{"spec":{"revoked":true}}`)
	f.until(key, "a request that is refused", func() bool {
		requests, err := audit.Requests(operatorUser)

		return err == nil && len(testkit.Forbidden(requests)) > 0
	})
}

// stolenToken uses the rights of the operator for what the operator does not do.
func stolenToken(t *testing.T, admin client.Client, plane *testkit.ControlPlane) {
	cfg, err := plane.User(operatorUser, "system:serviceaccounts")
	if err != nil {
		t.Fatal(err)
	}
	thief, err := client.New(cfg, client.Options{Scheme: testkit.Scheme(), Mapper: admin.RESTMapper()})
	if err != nil {
		t.Fatal(err)
	}
	there := otherSecret("taken", corev1.SecretTypeOpaque)
	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(there), there); err != nil {
		t.Fatal(err)
	}
	for what, attempt := range map[string]func() error{
		"a token of a privileged account": func() error {
			return thief.Create(t.Context(), otherSecret("token", corev1.SecretTypeServiceAccountToken))
		},
		"another Secret":          func() error { return thief.Create(t.Context(), otherSecret("more", corev1.SecretTypeOpaque)) },
		"a change of another one": func() error { there.Data["a"] = []byte("c"); return thief.Update(t.Context(), there) },
		"the deletion of one":     func() error { return thief.Delete(t.Context(), there) },
		"a TokenRequest": func() error {
			return thief.SubResource("token").Create(t.Context(), &corev1.ServiceAccount{
				ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "default"},
			}, tokenRequest())
		},
		"an APIKey": func() error {
			return thief.Create(t.Context(), &v1alpha1.APIKey{
				ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "stolen"},
				Spec:       v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentDevelopment},
			})
		},
	} {
		if err := attempt(); !apierrors.IsForbidden(err) {
			t.Errorf("%s: %v, want a refusal", what, err)
		}
	}
	if err := admin.Delete(t.Context(), there); err != nil {
		t.Errorf("the administrator deletes it: %v", err)
	}
}
