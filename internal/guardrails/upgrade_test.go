// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails_test

import (
	"context"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// The APIKeys from before the rules, by name. No CEL can make sense of the first; the others break rules in other ways.
var fromBefore = map[string]string{
	unreadableKey: "{environment: Production, permissions: ['*', '*'], roles: ['*'], customers: [' '], suspend: 'no', expiresAt: never, " +
		"rateLimit: {requests: many, per: always}}",
	"breaks-rules-for-values": "{environment: Production, permissions: ['*'], roles: ['*'], owner: '*', validFor: 1d, rotation: {every: 1d}, rateLimit: " +
		"{requests: 0, per: 1d}}",
	"breaks-rules-for-lengths": "{environment: Production, permissions: [p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17]}",
	"has-both-expiries":        "{environment: Production, expiresAt: never, validFor: 1h}",
}

const unreadableKey = "unreadable"

// unreadable is the APIKey that makes no sense.
func unreadable(namespace string) *unstructured.Unstructured {
	return keyFromBefore(namespace, unreadableKey)
}

func keyFromBefore(namespace, name string) *unstructured.Unstructured {
	key := &unstructured.Unstructured{}
	key.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("APIKey"))
	key.SetNamespace(namespace)
	key.SetName(name)

	return key
}

// installLaxCRD installs the CustomResourceDefinition as it might have been before: it knows nothing about spec.
func installLaxCRD(ctx context.Context) {
	GinkgoHelper()
	data, err := os.ReadFile(filepath.Join(root(), "config", "crd", "bases", "apikey-operator.io_apikeys.yaml"))
	Expect(err).NotTo(HaveOccurred())
	var crd apiextensionsv1.CustomResourceDefinition
	Expect(yaml.Unmarshal(data, &crd)).To(Succeed())
	schema := crd.Spec.Versions[0].Schema.OpenAPIV3Schema
	schema.XValidations = nil
	schema.Properties["spec"] = apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: new(true)}
	data, err = yaml.Marshal(crd)
	Expect(err).NotTo(HaveOccurred())
	file := filepath.Join(plane.Folder(), "lax.yaml")
	Expect(os.WriteFile(file, data, 0o600)).To(Succeed())
	kubectl(ctx, "apply", "--server-side", "-f", file)
	kubectl(ctx, "wait", "--for=condition=Established", "crd/"+crd.Name)
}

// storeFromBefore stores an APIKey from before the rules.
func storeFromBefore(ctx context.Context, namespace, name string) {
	GinkgoHelper()
	key := keyFromBefore(namespace, name)
	var spec map[string]any
	Expect(yaml.Unmarshal([]byte(fromBefore[name]), &spec)).To(Succeed())
	key.Object["spec"] = spec
	key.SetFinalizers([]string{"example.com/archive"})
	Eventually(func() error { return admin.Create(ctx, key) }).WithTimeout(inForceTimeout).WithPolling(20 * time.Millisecond).Should(Succeed())
}

// What was stored before a rule and before the guardrails must not get stuck.
var _ = Describe("An APIKey from before the rules and the guardrails", func() {
	for name := range testkit.Sorted(fromBefore) {
		It("is reported on, labelled, revoked and deleted: "+name, func(ctx SpecContext) {
			namespace := upgraded.namespace
			key := keyFromBefore(namespace, name)
			read := func() {
				GinkgoHelper()
				Expect(admin.Get(ctx, client.ObjectKeyFromObject(key), key)).To(Succeed())
			}
			editor := as(probeEditor)

			read()
			Expect(unstructured.SetNestedField(key.Object, "Active", "status", "phase")).To(Succeed())
			Expect(as(operatorUser).Status().Update(ctx, key)).To(Succeed(), "status")
			key.SetLabels(map[string]string{"a": "b"})
			Expect(editor.Update(ctx, key)).To(Succeed(), "labels")
			if name != unreadableKey && name != "has-both-expiries" { // whoever changes the spec of those has to mend it
				Expect(editor.Patch(ctx, key, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"revoked":true}}`)))).To(Succeed(), "revoked")
			}
			Expect(editor.Delete(ctx, key)).To(Succeed(), "deletion")
			Expect(editor.Patch(ctx, key, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))).To(Succeed(), "finalizers")
			Eventually(func() error { return admin.Get(ctx, client.ObjectKeyFromObject(key), key) }).
				Should(MatchError(ContainSubstring("not found")))
		})
	}
})
