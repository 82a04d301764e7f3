// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// probe is a request to which the answer of a guardrail is known. It is sent as a dry run, so that it can be repeated.
type probe struct {
	// guardrail is the one whose answer it is.
	guardrail string
	name      string
	// user sends it.
	user string
	// refused is a part of the refusal; empty: the request is allowed.
	refused string
	// send sends it about the objects that storeFixtures has made in a namespace.
	send func(ctx context.Context, c client.Client, namespace string) error
}

// unexpected says how the answer in a namespace differs from the one that is known; empty: it does not.
func (p probe) unexpected(ctx context.Context, namespace string) string {
	GinkgoHelper()
	err := p.send(ctx, client.NewDryRunClient(as(p.user)), namespace)
	switch {
	case p.refused == "" && err != nil:
		return fmt.Sprintf("%s: %s is refused: %v", p.guardrail, p.name, err)
	case p.refused != "" && err == nil:
		return fmt.Sprintf("%s: %s is allowed", p.guardrail, p.name)
	case p.refused != "" && (!apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "ValidatingAdmissionPolicy") ||
		!strings.Contains(err.Error(), p.refused)):
		return fmt.Sprintf("%s: %s is refused for another reason: %v", p.guardrail, p.name, err)
	default:
		return ""
	}
}

// Users of probes, with the same rights in every namespace: probeEditor may write APIKeys, their status and Secrets, and has no
// grant; probeGranted may write APIKeys and has a grant for everything whose name begins with "granted".
const (
	probeEditor  = "probe-editor@example.com"
	probeGranted = "probe-granted@example.com"
)

// The objects that storeFixtures makes in a namespace.
const (
	fixtureFree    = "free"       // an APIKey that needs a grant for its environment alone
	fixtureKey     = "fixture"    // an APIKey with one permission that nobody has granted
	fixtureLeaked  = "leaked"     // an APIKey with an API key in each place in which plaintext looks
	fixtureSecret  = "with-a-key" // the Secret of fixtureKey
	fixtureClone   = "clone"      // a Secret with an API key that belongs to no APIKey
	fixtureCrowded = "crowded"    // a Secret with an API key and more owner references than are searched, none to an APIKey
	fixtureOther   = "other"      // a Secret of another type
)

// leaked has the shape of an API key.
const leaked = "ak_prod_" + "0123456789012345678901234567890123456789012345678"

// allowProbes gives the users of probes their rights.
func allowProbes(ctx context.Context) {
	GinkgoHelper()
	write := []string{"create", "delete", "deletecollection", "get", "patch", "update"}
	edit := []rbacv1.PolicyRule{
		{APIGroups: []string{v1alpha1.GroupName}, Resources: []string{"apikeys", "apikeys/status"}, Verbs: write},
		may("use", "environments", string(v1alpha1.EnvironmentProduction), string(v1alpha1.EnvironmentStaging)),
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: write},
	}
	var permissions, roles []string
	for i := range 16 {
		permissions = append(permissions, fmt.Sprintf("granted:p%d", i))
		roles = append(roles, fmt.Sprintf("granted-r%d", i))
	}
	allowEverywhere(ctx, probeEditor, edit...)
	for _, user := range systemControllers() {
		allowEverywhere(ctx, user, edit...)
	}
	allowEverywhere(ctx, operatorUser, edit...)
	allowEverywhere(ctx, verifierUser, edit...)
	allowEverywhere(ctx, probeGranted, append(edit, may("grant", "permissions", permissions...), may("grant", "roles", roles...))...)
}

// allowEverywhere gives a user rules in the whole cluster and waits until the API server knows them.
func allowEverywhere(ctx context.Context, user string, rules ...rbacv1.PolicyRule) {
	GinkgoHelper()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{GenerateName: "allowed-"}, Rules: rules}
	Expect(admin.Create(ctx, role)).To(Succeed())
	Expect(admin.Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	})).To(Succeed())
	last := rules[len(rules)-1]
	name := ""
	if len(last.ResourceNames) > 0 {
		name = last.ResourceNames[0]
	}
	awaitRight(ctx, user, "default", last, name)
}

// storeFixtures stores what probes are about, before there are guardrails: they would not let all of it in.
func storeFixtures(ctx context.Context, namespace string) {
	GinkgoHelper()
	apikey := newAPIKey(namespace, named(fixtureKey), withPermissions("fixture:read"))
	apikey.Finalizers = []string{"example.com/archive"}
	Eventually(func() error { return admin.Create(ctx, apikey) }).WithTimeout(inForceTimeout).WithPolling(20 * time.Millisecond).Should(Succeed())
	Expect(admin.Create(ctx, newAPIKey(namespace, named(fixtureFree)))).To(Succeed())
	Expect(admin.Create(ctx, newAPIKey(namespace, named(fixtureLeaked), func(apikey *v1alpha1.APIKey) {
		apikey.Finalizers = []string{"example.com/archive"}
		apikey.Annotations = map[string]string{"example.com/note": leaked}
	}))).To(Succeed())
	for _, apikey := range largeFixtures(namespace) {
		Expect(admin.Create(ctx, apikey)).To(Succeed())
	}
	for _, secret := range []*corev1.Secret{
		secretOf(namespace, fixtureSecret, v1alpha1.SecretType, controllerRef(apikey)),
		secretOf(namespace, fixtureClone, v1alpha1.SecretType),
		secretOf(namespace, fixtureCrowded, v1alpha1.SecretType, strangers(65)...),
		secretOf(namespace, fixtureOther, corev1.SecretTypeOpaque),
	} {
		Expect(admin.Create(ctx, secret)).To(Succeed())
	}
}

// secretOf is a Secret with a data key of the name that the operator uses, a finalizer, and owners.
func secretOf(namespace, name string, kind corev1.SecretType, owners ...metav1.OwnerReference) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Finalizers: []string{"example.com/archive"}, OwnerReferences: owners},
		Type:       kind, Data: map[string][]byte{"api-key": []byte("a")},
	}
}

// strangers are references to so many owners of a kind that is nowhere. The garbage collector leaves an object with such owners alone.
func strangers(n int) []metav1.OwnerReference {
	var owners []metav1.OwnerReference
	for i := range n {
		owners = append(owners, metav1.OwnerReference{APIVersion: "example.com/v1", Kind: "Stranger", Name: "a", UID: types.UID(fmt.Sprint(i))})
	}

	return owners
}

// controllerRef is the owner reference that the operator puts on the Secret of an APIKey.
func controllerRef(apikey *v1alpha1.APIKey) metav1.OwnerReference {
	return *metav1.NewControllerRef(apikey, v1alpha1.GroupVersion.WithKind("APIKey"))
}

// named sets the name of a new APIKey.
func named(name string) func(*v1alpha1.APIKey) {
	return func(apikey *v1alpha1.APIKey) { apikey.Name, apikey.GenerateName = name, "" }
}

// withPermissions sets the permissions of an APIKey.
func withPermissions(permissions ...v1alpha1.Permission) func(*v1alpha1.APIKey) {
	return func(apikey *v1alpha1.APIKey) { apikey.Spec.Permissions = permissions }
}

// creating makes an APIKey.
func creating(change func(*v1alpha1.APIKey)) func(context.Context, client.Client, string) error {
	return func(ctx context.Context, c client.Client, namespace string) error {
		return c.Create(ctx, newAPIKey(namespace, change))
	}
}

// updating changes an APIKey that is there.
func updating(name string, change func(*v1alpha1.APIKey)) func(context.Context, client.Client, string) error {
	return func(ctx context.Context, c client.Client, namespace string) error {
		var apikey v1alpha1.APIKey
		if err := admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &apikey); err != nil {
			return err
		}
		change(&apikey)

		return c.Update(ctx, &apikey)
	}
}

// reporting changes the status of an APIKey that is there.
func reporting(change func(*v1alpha1.APIKeyStatus)) func(context.Context, client.Client, string) error {
	return func(ctx context.Context, c client.Client, namespace string) error {
		var apikey v1alpha1.APIKey
		if err := admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: fixtureKey}, &apikey); err != nil {
			return err
		}
		change(&apikey.Status)

		return c.Status().Update(ctx, &apikey)
	}
}

// changingSecret changes a Secret that is there.
func changingSecret(name string, changes ...func(*corev1.Secret)) func(context.Context, client.Client, string) error {
	return func(ctx context.Context, c client.Client, namespace string) error {
		var secret corev1.Secret
		if err := admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &secret); err != nil {
			return err
		}
		for _, change := range changes {
			change(&secret)
		}

		return c.Update(ctx, &secret)
	}
}

// deletingSecret deletes a Secret that is there.
func deletingSecret(name string) func(context.Context, client.Client, string) error {
	return func(ctx context.Context, c client.Client, namespace string) error {
		return c.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})
	}
}

// creatingSecret makes a Secret of a type, with the owner references of others that are there.
func creatingSecret(kind corev1.SecretType, changes ...func(*corev1.Secret)) func(context.Context, client.Client, string) error {
	return func(ctx context.Context, c client.Client, namespace string) error {
		secret := secretOf(namespace, "made", kind)
		for _, change := range changes {
			change(secret)
		}

		return c.Create(ctx, secret)
	}
}
