// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails_test

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// What probes do to a Secret.
func changeData(s *corev1.Secret)     { s.Data = map[string][]byte{"api-key": []byte("b")} }
func takeFinalizers(s *corev1.Secret) { s.Finalizers = nil }
func takeOwners(s *corev1.Secret)     { s.OwnerReferences = nil }

// giveOwner makes an APIKey that is nowhere the owner of a Secret.
func giveOwner(s *corev1.Secret) {
	s.OwnerReferences = append(s.OwnerReferences, controllerRef(&v1alpha1.APIKey{ObjectMeta: metav1.ObjectMeta{Name: fixtureKey, UID: "u"}}))
}

// changeOwner changes the owner reference of a Secret that has one.
func changeOwner(change func(*metav1.OwnerReference)) func(*corev1.Secret) {
	return func(s *corev1.Secret) { change(&s.OwnerReferences[0]) }
}

func secretProbes() []probe {
	var all []probe
	add := func(name, user, refused string, send func(context.Context, client.Client, string) error) {
		all = append(all, probe{guardrail: "secrets", name: name, user: user, refused: refused, send: send})
	}
	const ours, mayNot = v1alpha1.SecretType, "may not create or change a Secret of an APIKey"
	add("the Secret of an APIKey from somebody", probeEditor, mayNot, creatingSecret(ours, giveOwner))
	add("that of an APIKey of a later version", probeEditor, mayNot, creatingSecret(ours, giveOwner, changeOwner(func(r *metav1.OwnerReference) {
		r.APIVersion = v1alpha1.GroupName + "/v9"
	})))
	add("the owner reference on a Secret of another type", probeEditor, "", creatingSecret(corev1.SecretTypeOpaque, giveOwner))
	add("a clone", probeEditor, "", creatingSecret(ours))
	add("a clone with an owner of the same kind in another group", probeEditor, "", creatingSecret(ours, giveOwner, changeOwner(func(r *metav1.OwnerReference) {
		r.APIVersion = "example.com/v1"
	})))
	add("a clone with an owner of another kind in the same group", probeEditor, "", creatingSecret(ours, giveOwner, changeOwner(func(r *metav1.OwnerReference) {
		r.Kind = "APIKeyRole"
	})))
	add("other data in a clone", probeEditor, "", changingSecret(fixtureClone, changeData))
	add("a clone that is adopted", probeEditor, mayNot, changingSecret(fixtureClone, giveOwner))
	add("other data", probeEditor, mayNot, changingSecret(fixtureSecret, changeData))
	add("an owner taken off", probeEditor, mayNot, changingSecret(fixtureSecret, takeOwners))
	add("a finalizer taken off", probeEditor, "", changingSecret(fixtureSecret, takeFinalizers))
	add("other data where there are too many owners", probeEditor, mayNot, changingSecret(fixtureCrowded, changeData))
	add("other data from the operator", operatorUser, "", changingSecret(fixtureSecret, changeData))
	add("an owner taken off by the namespace controller", namespaceControllerUser, mayNot, changingSecret(fixtureSecret, takeOwners))
	for _, user := range []string{garbageCollectorUser, controllerManagerUser} {
		addCollectorProbes(func(name, refused string, send func(context.Context, client.Client, string) error) {
			add(name+" by "+user, user, refused, send)
		}, mayNot)
	}

	return all
}

// addCollectorProbes are those of the garbage collector, and of a user who impersonates it.
func addCollectorProbes(add func(name, refused string, send func(context.Context, client.Client, string) error), mayNot string) {
	add("an owner taken off", "", changingSecret(fixtureSecret, takeOwners))
	add("an owner that blocks no more", "", changingSecret(fixtureSecret, changeOwner(func(r *metav1.OwnerReference) { r.BlockOwnerDeletion = new(false) })))
	add("the Secret of an APIKey", mayNot, creatingSecret(v1alpha1.SecretType, giveOwner))
	add("a clone that is adopted", mayNot, changingSecret(fixtureClone, giveOwner))
	add("one of too many owners taken off", mayNot, changingSecret(fixtureCrowded, func(s *corev1.Secret) { s.OwnerReferences = s.OwnerReferences[1:] }))
	for what, change := range map[string]func(*corev1.Secret){
		"data":        changeData,
		"immutable":   func(s *corev1.Secret) { s.Immutable = new(true) },
		"labels":      func(s *corev1.Secret) { s.Labels = map[string]string{"a": "b"} },
		"annotations": func(s *corev1.Secret) { s.Annotations = map[string]string{"a": "b"} },
	} {
		add("other "+what+" with an owner taken off", mayNot, changingSecret(fixtureSecret, change, takeOwners))
	}
	for what, change := range map[string]func(*metav1.OwnerReference){
		"uid":        func(r *metav1.OwnerReference) { r.UID = "u" },
		"name":       func(r *metav1.OwnerReference) { r.Name = "another" },
		"kind":       func(r *metav1.OwnerReference) { r.Kind = "APIKeyRole" },
		"apiVersion": func(r *metav1.OwnerReference) { r.APIVersion = "v1" },
		"controller": func(r *metav1.OwnerReference) { r.Controller = nil },
	} {
		add("another "+what+" of the owner", mayNot, changingSecret(fixtureSecret, changeOwner(change)))
	}
}

// operatorProbes are about what the operator, or who has its token, may do to Secrets.
func operatorProbes() []probe {
	var all []probe
	add := func(name, user, refused string, send func(context.Context, client.Client, string) error) {
		all = append(all, probe{guardrail: "operator", name: name, user: user, refused: refused, send: send})
	}
	const only = "may create, change and delete only Secrets of type " + v1alpha1.SecretType
	token := func(s *corev1.Secret) { s.Annotations = map[string]string{corev1.ServiceAccountNameKey: "default"} }
	add("a service account token", operatorUser, only, creatingSecret(corev1.SecretTypeServiceAccountToken, token))
	add("a Secret of another type", operatorUser, only, creatingSecret(corev1.SecretTypeOpaque))
	add("other data in a Secret of another type", operatorUser, only, changingSecret(fixtureOther, changeData))
	add("a finalizer taken off a Secret of another type", operatorUser, only, changingSecret(fixtureOther, takeFinalizers))
	add("the deletion of a Secret of another type", operatorUser, only, deletingSecret(fixtureOther))
	add("the deletion of many Secrets", operatorUser, only, func(ctx context.Context, c client.Client, namespace string) error {
		return c.DeleteAllOf(ctx, &corev1.Secret{}, client.InNamespace(namespace))
	})
	add("the Secret of an APIKey", operatorUser, "", creatingSecret(v1alpha1.SecretType, giveOwner))
	add("other data in the Secret of an APIKey", operatorUser, "", changingSecret(fixtureSecret, changeData))
	add("the deletion of the Secret of an APIKey", operatorUser, "", deletingSecret(fixtureSecret))
	for _, user := range append(systemControllers(), probeEditor, verifierUser) {
		add("a Secret of another type from "+user, user, "", creatingSecret(corev1.SecretTypeOpaque))
		add("other data in a Secret of another type from "+user, user, "", changingSecret(fixtureOther, changeData))
		add("the deletion of a Secret of another type by "+user, user, "", deletingSecret(fixtureOther))
		add("the deletion of the Secret of an APIKey by "+user, user, "", deletingSecret(fixtureSecret))
	}

	return all
}
