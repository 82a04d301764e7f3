// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// fullStatus has a value in every field.
func fullStatus() v1alpha1.APIKeyStatus {
	at := metav1.Date(2026, 11, 21, 0, 0, 0, 0, metav1.Now().Location())

	return v1alpha1.APIKeyStatus{
		Conditions:         []metav1.Condition{{Type: "Ready", Status: metav1.ConditionTrue, Reason: "Minted", LastTransitionTime: at}},
		ObservedGeneration: 7,
		Phase:              v1alpha1.PhaseActive,
		Keys: []v1alpha1.KeyRecord{{
			ID: strings.Repeat("a", 12), Digest: strings.Repeat("a", 43), State: v1alpha1.KeyActive, CreatedAt: at,
		}},
		SecretRef:    &v1alpha1.SecretReference{Name: "a", UID: "a", ResourceVersion: "1"},
		ExpiresAt:    &at,
		RateLimit:    &v1alpha1.RateLimit{Requests: 1, Per: "1s"},
		LastRotation: &v1alpha1.LastRotation{Trigger: v1alpha1.TriggerCreated, At: at},
		LastUsedAt:   &at,
	}
}

var _ = Describe("The status of an APIKey", func() {
	var key *v1alpha1.APIKey

	BeforeEach(func(ctx SpecContext) {
		key = newKey(newNamespace(ctx))
		Expect(admin.Create(ctx, key)).To(Succeed())
	})

	It("is not for a user with every right there is, in whatever way", func(ctx SpecContext) {
		forged := key.DeepCopy()
		forged.Status = fullStatus()
		for _, c := range []client.Client{admin, asMaster("root"), asMaster("system:serviceaccount:elsewhere:apikey-operator-controller-manager"), asMaster("system:serviceaccount:kube-system:default")} {
			Expect(refusalOf(c.Status().Update(ctx, forged.DeepCopy()))).To(MatchRegexp(
				`^\S+ may not write the status of an APIKey in namespace "` + key.Namespace + `": verifiers believe the digests that stand there, so only ` +
					operatorUser + ` and, for lastUsedAt, ` + verifierUser + ` may\.$`))
			Expect(refusalOf(c.Status().Patch(ctx, forged.DeepCopy(), client.MergeFrom(key)))).To(ContainSubstring("may not write the status"))
			Expect(refusalOf(c.Status().Patch(ctx, key.DeepCopy(), client.RawPatch(types.JSONPatchType, []byte(`[{"op":"add","path":"/status/phase","value":"Active"}]`))))).
				To(ContainSubstring("may not write the status"))
		}
	})

	It("does not come with a new object, nor with a change of the rest", func(ctx SpecContext) {
		restored := newKey(key.Namespace, func(key *v1alpha1.APIKey) { key.Status = fullStatus() })
		Expect(admin.Create(ctx, restored)).To(Succeed())
		Expect(restored.Status.Keys).To(BeEmpty())
		key.Status = fullStatus()
		Expect(admin.Update(ctx, key)).To(Succeed())
		Expect(key.Status.Keys).To(BeEmpty())
	})

	It("does not carry labels, annotations or a spec past the other guardrails", func(ctx SpecContext) {
		key.Status.Phase = v1alpha1.PhaseActive
		key.Labels, key.Annotations = map[string]string{"a": leaked}, map[string]string{v1alpha1.RotateAnnotation: "1"}
		key.Spec.Permissions = []v1alpha1.Permission{"a"}
		Expect(asMaster(operatorUser).Status().Update(ctx, key)).To(Succeed())
		Expect(key.Labels).To(BeEmpty())
		Expect(key.Annotations).To(BeEmpty())
		Expect(key.Spec.Permissions).To(BeEmpty())
		Expect(key.Status.Phase).To(Equal(v1alpha1.PhaseActive))
	})

	It("is for the operator, all of it", func(ctx SpecContext) {
		key.Status = fullStatus()
		Expect(as(operatorUser).Status().Update(ctx, key)).To(Succeed())
		Expect(key.Status).To(Equal(readBack(ctx, key).Status))
	})

	It("is for the verifier, of all fields lastUsedAt", func(ctx SpecContext) {
		full := reflect.ValueOf(fullStatus())
		for i := range full.NumField() {
			name := full.Type().Field(i).Name
			Expect(full.Field(i).IsZero()).To(BeFalse(), "fullStatus lacks %s", name)
			changed := key.DeepCopy()
			reflect.ValueOf(&changed.Status).Elem().Field(i).Set(full.Field(i))
			err := as(verifierUser).Status().Patch(ctx, changed, client.MergeFrom(key), client.DryRunAll)
			if name == "LastUsedAt" {
				Expect(err).NotTo(HaveOccurred(), name)
			} else {
				Expect(refusalOf(err)).To(Equal(verifierUser+" may write nothing but lastUsedAt in the status of an APIKey: the rest is for "+operatorUser+"."), name)
			}
		}
	})

	It("loses no field to the verifier", func(ctx SpecContext) {
		key.Status = fullStatus()
		Expect(as(operatorUser).Status().Update(ctx, key)).To(Succeed())
		for field := range reflect.TypeFor[v1alpha1.APIKeyStatus]().Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			removal := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"status":{%q:null}}`, name))
			err := as(verifierUser).Status().Patch(ctx, key.DeepCopy(), removal, client.DryRunAll)
			if name == "lastUsedAt" {
				Expect(err).NotTo(HaveOccurred(), name)
			} else {
				Expect(err).To(MatchError(apierrors.IsForbidden, "forbidden"), name)
			}
		}
	})
})

func readBack(ctx context.Context, key *v1alpha1.APIKey) *v1alpha1.APIKey {
	GinkgoHelper()
	var read v1alpha1.APIKey
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(key), &read)).To(Succeed())

	return &read
}

var _ = Describe("A Secret with an API key", func() {
	newSecret := func(namespace string, kind corev1.SecretType) *corev1.Secret {
		return &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "main-website", Finalizers: []string{"example.com/archive"}},
			Type:       kind, Data: map[string][]byte{"api-key": []byte("a")},
		}
	}

	It("is not made by a user with every right there is", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		for _, c := range []client.Client{admin, asMaster(verifierUser), asMaster("system:serviceaccount:" + namespace + ":apikey-operator-controller-manager")} {
			Expect(refusalOf(c.Create(ctx, newSecret(namespace, v1alpha1.SecretType)))).To(MatchRegexp(
				`^\S+ may not make or change a Secret of type apikey-operator.io/api-key in namespace "` + namespace + `": only ` + operatorUser +
					` may\. Declare an APIKey to have one made, or use another type\. To replace the key, delete the Secret or set the annotation apikey-operator.io/rotate on its APIKey\.$`))
		}
	})

	It("does not come of a Secret of another type, nor turn into one", func(ctx SpecContext) {
		secret := newSecret(newNamespace(ctx), corev1.SecretTypeOpaque)
		Expect(admin.Create(ctx, secret)).To(Succeed())
		secret.Type = v1alpha1.SecretType
		Expect(admin.Update(ctx, secret)).To(MatchError(ContainSubstring("immutable")))

		ours := newSecret(newNamespace(ctx), v1alpha1.SecretType)
		Expect(as(operatorUser).Create(ctx, ours)).To(Succeed())
		ours.Type = corev1.SecretTypeOpaque
		Expect(admin.Update(ctx, ours)).To(MatchError(ContainSubstring("immutable")))
	})

	It("is changed by nobody but the operator", func(ctx SpecContext) {
		secret := newSecret(newNamespace(ctx), v1alpha1.SecretType)
		Expect(as(operatorUser).Create(ctx, secret)).To(Succeed())
		for name, change := range map[string]func(*corev1.Secret){
			"data":        func(s *corev1.Secret) { s.Data["api-key"] = []byte("b") },
			"more data":   func(s *corev1.Secret) { s.Data["other"] = []byte("b") },
			"no data":     func(s *corev1.Secret) { s.Data = nil },
			"stringData":  func(s *corev1.Secret) { s.StringData = map[string]string{"api-key": "b"} },
			"immutable":   func(s *corev1.Secret) { s.Immutable = new(true) },
			"labels":      func(s *corev1.Secret) { s.Labels = map[string]string{"a": "b"} },
			"annotations": func(s *corev1.Secret) { s.Annotations = map[string]string{"a": "b"} },
			"owner references": func(s *corev1.Secret) {
				s.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: "a", UID: "a"}}
			},
		} {
			changed := secret.DeepCopy()
			change(changed)
			Expect(refusalOf(admin.Update(ctx, changed.DeepCopy(), client.DryRunAll))).To(ContainSubstring("may not make or change"), name)
			Expect(as(operatorUser).Update(ctx, changed, client.DryRunAll)).To(Succeed(), name)
		}
	})

	It("is let go and deleted by whoever RBAC allows", func(ctx SpecContext) {
		secret := newSecret(newNamespace(ctx), v1alpha1.SecretType)
		Expect(as(operatorUser).Create(ctx, secret)).To(Succeed())
		Expect(as(probeEditor).Update(ctx, secret)).To(Succeed(), "nothing changed")
		secret.Finalizers = nil
		Expect(as(probeEditor).Update(ctx, secret)).To(Succeed(), "finalizers")
		Expect(admin.Delete(ctx, secret)).To(Succeed())
	})

	It("has no fields but those that the guardrail compares", func() {
		var names []string
		for field := range reflect.TypeFor[corev1.Secret]().Fields() {
			names = append(names, field.Name)
		}
		Expect(names).To(ConsistOf("TypeMeta", "ObjectMeta", "Immutable", "Data", "StringData", "Type"))
	})
})
