// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"encoding/json"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// restClient sends and receives bodies as they are.
func restClient() *rest.RESTClient {
	GinkgoHelper()
	config := rest.CopyConfig(plane.Config)
	config.APIPath, config.GroupVersion = "/apis", &v1alpha1.GroupVersion
	config.NegotiatedSerializer = serializer.NewCodecFactory(testkit.Scheme()).WithoutConversion()
	client, err := rest.RESTClientFor(config)
	Expect(err).NotTo(HaveOccurred())

	return client
}

var _ = Describe("The kind as the API server serves it", func() {
	It("has the names that people type", func(SpecContext) {
		client, err := discovery.NewDiscoveryClientForConfig(plane.Config)
		Expect(err).NotTo(HaveOccurred())
		list, err := client.ServerResourcesForGroupVersion(v1alpha1.GroupVersion.String())
		Expect(err).NotTo(HaveOccurred())

		Expect(list.APIResources).To(ContainElement(And(
			HaveField("Name", "apikeys"), HaveField("SingularName", "apikey"), HaveField("Kind", "APIKey"), HaveField("Namespaced", true),
			HaveField("ShortNames", ConsistOf("ak")), HaveField("Categories", ConsistOf("apikey-operator")))))
		Expect(list.APIResources).To(ContainElement(HaveField("Name", "apikeys/status")))
	})

	It("prints the columns of kubectl get, and more of them with -o wide", func(ctx SpecContext) {
		keys := apiKeys(v1alpha1.GroupVersion)
		object := keys.create(ctx, "{displayName: Main Website, permissions: [customers:read, telemetry:write]}")
		keys.writeStatus(ctx, object, `{phase: Active, expiresAt: "2027-11-21T00:00:00Z", lastUsedAt: "2020-01-01T00:00:00Z",
			claimedAt: "2020-01-01T00:00:00Z", secretRef: {name: main-website, uid: a, resourceVersion: "1"}, conditions: [
			{type: Active, status: "True", reason: Minted, message: another, lastTransitionTime: "2026-11-21T00:00:00Z"},
			{type: Ready, status: "True", reason: Minted, message: The key is in the Secret., lastTransitionTime: "2026-11-21T00:00:00Z"}]}`)

		table := getTable(ctx)
		Expect(columns(table, 0)).To(Equal([]string{"Name", "Phase", "Env", "Expires", "Last Used", "Age"}))
		Expect(columns(table, 1)).To(Equal([]string{"Display Name", "Secret", "Claimed", "Permissions", "Message"}))
		Expect(table.Rows).To(HaveExactElements(HaveField("Cells", HaveExactElements(
			object.GetName(), "Active", "Production", "2027-11-21T00:00:00Z", MatchRegexp(`^[0-9]+y[0-9]+d$`), MatchRegexp(`^[0-9]+s$`),
			"Main Website", "main-website", MatchRegexp(`^[0-9]+y[0-9]+d$`), `["customers:read","telemetry:write"]`, "The key is in the Secret."))))
	})

	It("leaves no gap in the columns of an object that the operator has not seen", func(ctx SpecContext) {
		object := apiKeys(v1alpha1.GroupVersion).create(ctx, "{}")
		Expect(getTable(ctx).Rows).To(HaveExactElements(HaveField("Cells", HaveExactElements(
			object.GetName(), "Pending", "Production", BeNil(), BeNil(), MatchRegexp(`^[0-9]+s$`), BeNil(), BeNil(), BeNil(), BeNil(), BeNil()))))
	})

	It("is in progress for kstatus until the operator has reported", func(ctx SpecContext) {
		object := apiKeys(v1alpha1.GroupVersion).create(ctx, "{}")
		Expect(object.Object["status"]).To(Equal(map[string]any{"observedGeneration": int64(-1), "phase": "Pending"}))
	})

	It("takes no status from those who may not write it", func(ctx SpecContext) {
		keys := apiKeys(v1alpha1.GroupVersion)
		forged := parseYAML("{phase: Active, observedGeneration: 1, keys: [{" + validKey + "}]}")
		object := keys.object("{}")
		object.Object["status"] = forged
		object, err := keys.Create(ctx, object, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(object.Object["status"]).NotTo(HaveKey("keys"), "a digest planted at creation would be a valid key")

		object.Object["status"] = forged
		object, err = keys.Update(ctx, object, metav1.UpdateOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(object.Object["status"]).NotTo(HaveKey("keys"))
	})

	It("refuses an unknown field where the client asks for strictness, as kubectl does, and drops it elsewhere", func(ctx SpecContext) {
		keys := apiKeys(v1alpha1.GroupVersion)
		wrong := keys.object("{permission: [a], secret: {secretName: a}}")
		_, err := keys.Create(ctx, wrong, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
		Expect(err).To(MatchError(And(ContainSubstring(`unknown field "spec.permission"`), ContainSubstring(`unknown field "spec.secret.secretName"`))))

		object, err := keys.Create(ctx, wrong, metav1.CreateOptions{FieldValidation: metav1.FieldValidationWarn})
		Expect(err).NotTo(HaveOccurred())
		Expect(object.Object["spec"]).To(Equal(parse("secret: {}")))
	})

	It("refuses an object without spec", func(ctx SpecContext) {
		keys := apiKeys(v1alpha1.GroupVersion)
		object := keys.object("{}")
		delete(object.Object, "spec")
		_, err := keys.Create(ctx, object, metav1.CreateOptions{})
		Expect(causes(err)).To(ConsistOf(cause{field: "spec", message: "Required value"}))
	})
})

// getTable is what kubectl get asks for.
func getTable(ctx SpecContext) *metav1.Table {
	GinkgoHelper()
	data, err := restClient().Get().Namespace(namespace).Resource("apikeys").
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").Do(ctx).Raw()
	Expect(err).NotTo(HaveOccurred())
	table := &metav1.Table{}
	Expect(json.Unmarshal(data, table)).To(Succeed())

	return table
}

// columns are the titles of one priority: 0 are always printed, 1 with -o wide.
func columns(table *metav1.Table, priority int32) []string {
	var titles []string
	for _, column := range table.ColumnDefinitions {
		if column.Priority == priority {
			titles = append(titles, column.Name)
		}
	}

	return titles
}
