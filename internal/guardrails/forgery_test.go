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
			ClaimDeadline: &at,
		}},
		SecretRef:    &v1alpha1.SecretReference{Name: "a", UID: "a", ResourceVersion: "1"},
		ClaimedAt:    &at,
		ExpiresAt:    &at,
		WarnedBefore: "24h",
		RateLimit:    &v1alpha1.RateLimit{Requests: 1, Per: "1s"},
		LastRotation: &v1alpha1.LastRotation{Trigger: v1alpha1.TriggerCreated, At: at},
		RotateValues: []v1alpha1.RotateDigest{"AbCdEfGhIjKlMnOp"},
		LastUsedAt:   &at,
	}
}

var _ = Describe("The status of an APIKey", func() {
	var apikey *v1alpha1.APIKey

	BeforeEach(func(ctx SpecContext) {
		apikey = newAPIKey(newNamespace(ctx))
		Expect(admin.Create(ctx, apikey)).To(Succeed())
	})

	It("is not for a user with every right there is, in whatever way", func(ctx SpecContext) {
		forged := apikey.DeepCopy()
		forged.Status = fullStatus()
		for _, c := range []client.Client{
			admin,
			asMaster("root"),
			asMaster("system:serviceaccount:elsewhere:apikey-operator-controller-manager"),
			asMaster("system:serviceaccount:kube-system:default"),
		} {
			Expect(refusalOf(c.Status().Update(ctx, forged.DeepCopy()))).To(MatchRegexp(
				`^\S+ may not write the status of an APIKey in namespace "` + apikey.Namespace + `": verifiers trust its digests, so only ` +
					operatorUser + ` may write it, and ` + verifierUser + ` may write lastUsedAt\.$`))
			Expect(refusalOf(c.Status().Patch(ctx, forged.DeepCopy(), client.MergeFrom(apikey)))).To(ContainSubstring("may not write the status"))
			active := client.RawPatch(types.JSONPatchType, []byte(`[{"op":"add","path":"/status/phase","value":"Active"}]`))
			Expect(refusalOf(c.Status().Patch(ctx, apikey.DeepCopy(), active))).To(ContainSubstring("may not write the status"))
		}
	})

	It("does not come with a new object, nor with a change of the rest", func(ctx SpecContext) {
		restored := newAPIKey(apikey.Namespace, func(apikey *v1alpha1.APIKey) { apikey.Status = fullStatus() })
		Expect(admin.Create(ctx, restored)).To(Succeed())
		Expect(restored.Status.Keys).To(BeEmpty())
		apikey.Status = fullStatus()
		Expect(admin.Update(ctx, apikey)).To(Succeed())
		Expect(apikey.Status.Keys).To(BeEmpty())
	})

	It("does not carry labels, annotations or a spec past the other guardrails", func(ctx SpecContext) {
		apikey.Status.Phase = v1alpha1.PhaseActive
		apikey.Labels, apikey.Annotations = map[string]string{"a": leaked}, map[string]string{v1alpha1.RotateAnnotation: "1"}
		apikey.Spec.Permissions = []v1alpha1.Permission{"a"}
		Expect(asMaster(operatorUser).Status().Update(ctx, apikey)).To(Succeed())
		Expect(apikey.Labels).To(BeEmpty())
		Expect(apikey.Annotations).To(BeEmpty())
		Expect(apikey.Spec.Permissions).To(BeEmpty())
		Expect(apikey.Status.Phase).To(Equal(v1alpha1.PhaseActive))
	})

	It("is for the operator, all of it", func(ctx SpecContext) {
		apikey.Status = fullStatus()
		Expect(as(operatorUser).Status().Update(ctx, apikey)).To(Succeed())
		Expect(apikey.Status).To(Equal(readBack(ctx, apikey).Status))
	})

	It("is for the verifier, of all fields lastUsedAt", func(ctx SpecContext) {
		full := reflect.ValueOf(fullStatus())
		for i := range full.NumField() {
			name := full.Type().Field(i).Name
			Expect(full.Field(i).IsZero()).To(BeFalse(), "fullStatus lacks %s", name)
			changed := apikey.DeepCopy()
			reflect.ValueOf(&changed.Status).Elem().Field(i).Set(full.Field(i))
			err := as(verifierUser).Status().Patch(ctx, changed, client.MergeFrom(apikey), client.DryRunAll)
			if name == "LastUsedAt" {
				Expect(err).NotTo(HaveOccurred(), name)
			} else {
				Expect(refusalOf(err)).
					To(Equal(verifierUser+" may write only lastUsedAt in the status of an APIKey: the other fields are reserved for "+operatorUser+"."), name)
			}
		}
	})

	It("loses no field to the verifier", func(ctx SpecContext) {
		apikey.Status = fullStatus()
		Expect(as(operatorUser).Status().Update(ctx, apikey)).To(Succeed())
		for field := range reflect.TypeFor[v1alpha1.APIKeyStatus]().Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			removal := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"status":{%q:null}}`, name))
			err := as(verifierUser).Status().Patch(ctx, apikey.DeepCopy(), removal, client.DryRunAll)
			if name == "lastUsedAt" {
				Expect(err).NotTo(HaveOccurred(), name)
			} else {
				Expect(err).To(MatchError(apierrors.IsForbidden, "forbidden"), name)
			}
		}
	})
})

func readBack(ctx context.Context, apikey *v1alpha1.APIKey) *v1alpha1.APIKey {
	GinkgoHelper()
	var read v1alpha1.APIKey
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(apikey), &read)).To(Succeed())

	return &read
}

var _ = Describe("The Secret of an APIKey", func() {
	var apikey *v1alpha1.APIKey

	BeforeEach(func(ctx SpecContext) {
		apikey = newAPIKey(newNamespace(ctx), named("main-website"))
		Expect(admin.Create(ctx, apikey)).To(Succeed())
	})
	itsSecret := func() *corev1.Secret {
		return secretOf(apikey.Namespace, apikey.Name, v1alpha1.SecretType, controllerRef(apikey))
	}

	It("is not made by a user with every right there is", func(ctx SpecContext) {
		for _, c := range []client.Client{
			admin,
			asMaster(verifierUser),
			asMaster("system:serviceaccount:" + apikey.Namespace + ":apikey-operator-controller-manager"),
		} {
			Expect(refusalOf(c.Create(ctx, itsSecret()))).To(MatchRegexp(
				`^\S+ may not create or change a Secret of an APIKey in namespace "` + apikey.Namespace + `": only ` + operatorUser +
					` may\. To put labels or annotations on it, set spec\.secret\.labels or spec\.secret\.annotations of its APIKey\.` +
					` To replace the key, delete the Secret or set the annotation apikey-operator.io/rotate on its APIKey\. A copy elsewhere is allowed ` +
					`without owner references\.$`))
		}
	})

	It("does not come of a Secret of another type, nor turn into one", func(ctx SpecContext) {
		secret := itsSecret()
		secret.Type = corev1.SecretTypeOpaque
		Expect(admin.Create(ctx, secret)).To(Succeed())
		secret.Type = v1alpha1.SecretType
		Expect(admin.Update(ctx, secret)).To(MatchError(ContainSubstring("immutable")))

		ours := itsSecret()
		ours.Name = "ours"
		Expect(as(operatorUser).Create(ctx, ours)).To(Succeed())
		ours.Type = corev1.SecretTypeOpaque
		Expect(admin.Update(ctx, ours)).To(MatchError(ContainSubstring("immutable")))
	})

	It("is changed only by the operator", func(ctx SpecContext) {
		secret := itsSecret()
		Expect(as(operatorUser).Create(ctx, secret)).To(Succeed())
		for name, change := range map[string]func(*corev1.Secret){
			"data":        func(s *corev1.Secret) { s.Data["api-key"] = []byte("b") },
			"more data":   func(s *corev1.Secret) { s.Data["other"] = []byte("b") },
			"no data":     func(s *corev1.Secret) { s.Data = nil },
			"stringData":  func(s *corev1.Secret) { s.StringData = map[string]string{"api-key": "b"} },
			"immutable":   func(s *corev1.Secret) { s.Immutable = new(true) },
			"labels":      func(s *corev1.Secret) { s.Labels = map[string]string{"a": "b"} },
			"annotations": func(s *corev1.Secret) { s.Annotations = map[string]string{"a": "b"} },
			"no owner references": func(s *corev1.Secret) {
				s.OwnerReferences = nil
			},
			"other owner references": func(s *corev1.Secret) {
				s.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: "a", UID: "a"}}
			},
			"more owner references": func(s *corev1.Secret) {
				s.OwnerReferences = append(s.OwnerReferences, metav1.OwnerReference{APIVersion: "v1", Kind: "Pod", Name: "a", UID: "a"})
			},
		} {
			changed := secret.DeepCopy()
			change(changed)
			Expect(refusalOf(admin.Update(ctx, changed.DeepCopy(), client.DryRunAll))).To(ContainSubstring("may not create or change"), name)
			Expect(as(operatorUser).Update(ctx, changed, client.DryRunAll)).To(Succeed(), name)
		}
	})

	It("is let go and deleted by whoever RBAC allows", func(ctx SpecContext) {
		secret := itsSecret()
		Expect(as(operatorUser).Create(ctx, secret)).To(Succeed())
		Expect(as(probeEditor).Update(ctx, secret)).To(Succeed(), "nothing changed")
		secret.Finalizers = nil
		Expect(as(probeEditor).Update(ctx, secret)).To(Succeed(), "finalizers")
		Expect(as(probeEditor).Delete(ctx, secret)).To(Succeed())
	})

	// kubernetes-reflector and its like copy type and data of a Secret, and put annotations of their own on the copy; some keep labels.
	It("is copied elsewhere, and the copy is never that of an APIKey", func(ctx SpecContext) {
		mirror := as(probeEditor)
		elsewhere := newNamespace(ctx)
		clone := secretOf(elsewhere, apikey.Name, v1alpha1.SecretType)
		clone.Finalizers = nil
		clone.Annotations = map[string]string{"reflector.v1.k8s.emberstack.com/reflects": apikey.Namespace + "/" + apikey.Name}
		clone.Labels = map[string]string{v1alpha1.SecretManagedByLabel: v1alpha1.SecretManagedByValue}
		Expect(mirror.Create(ctx, clone)).To(Succeed())
		clone.Data["api-key"] = []byte("after a rotation")
		Expect(mirror.Update(ctx, clone)).To(Succeed())

		By("adopting the copy for an APIKey that is there, by update, patch and apply")
		waiting := newAPIKey(elsewhere, named(apikey.Name))
		Expect(admin.Create(ctx, waiting)).To(Succeed())
		adopted := clone.DeepCopy()
		adopted.OwnerReferences = []metav1.OwnerReference{controllerRef(waiting)}
		for _, user := range append(systemControllers(), "root") {
			Expect(refusalOf(asMaster(user).Update(ctx, adopted.DeepCopy()))).To(ContainSubstring("may not create or change"), user)
			Expect(refusalOf(asMaster(user).Patch(ctx, adopted.DeepCopy(), client.MergeFrom(clone)))).To(ContainSubstring("may not create or change"), user)
		}
		By("putting the copy in the place of the Secret")
		secret := itsSecret()
		secret.Finalizers = nil
		Expect(as(operatorUser).Create(ctx, secret)).To(Succeed())
		Expect(mirror.Delete(ctx, secret)).To(Succeed())
		Expect(refusalOf(mirror.Create(ctx, itsSecret()))).To(ContainSubstring("may not create or change"))
		Expect(mirror.Delete(ctx, clone)).To(Succeed())
	})

	It("has no fields but those that the guardrail compares", func() {
		var names []string
		for field := range reflect.TypeFor[corev1.Secret]().Fields() {
			names = append(names, field.Name)
		}
		Expect(names).To(ConsistOf("TypeMeta", "ObjectMeta", "Immutable", "Data", "StringData", "Type"))
	})
})
