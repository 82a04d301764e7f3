// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails_test

import (
	"errors"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// refusalOf is what a guardrail says to who is refused, without what the API server says before it.
func refusalOf(err error) string {
	GinkgoHelper()
	var status apierrors.APIStatus
	Expect(errors.As(err, &status)).To(BeTrue(), "%v", err)
	Expect(err).To(MatchError(apierrors.IsForbidden, "forbidden"))
	_, message, found := strings.Cut(status.Status().Message, " denied request: ")
	Expect(found).To(BeTrue(), "%v", err)

	return message
}

var ruleInMessage = regexp.MustCompile(`that has the rule (\{.*\})\.$`)

var _ = Describe("A refusal by the guardrail grants", func() {
	const jane = "jane@example.com"
	const rule = `{apiGroups: ["apikey-operator.io"], resources: ["permissions"], resourceNames: ["customers:read"], verbs: ["grant"]}`
	const roleRule = `{apiGroups: ["apikey-operator.io"], resources: ["roles"], resourceNames: ["synchronizer"], verbs: ["grant"]}`
	const ownerRule = `{apiGroups: ["apikey-operator.io"], resources: ["owners"], resourceNames: ["bob@example.com"], verbs: ["assign"]}`
	const environmentRule = `{apiGroups: ["apikey-operator.io"], resources: ["environments"], resourceNames: ["Production"], verbs: ["use"]}`
	const allow0 = " An administrator can allow it with a Role or ClusterRole that has the rule "
	has := func(more ...func(*v1alpha1.APIKey)) func(*v1alpha1.APIKey) {
		return func(apikey *v1alpha1.APIKey) {
			apikey.Spec.Permissions = []v1alpha1.Permission{"customers:read"}
			for _, m := range more {
				m(apikey)
			}
		}
	}
	hasRole := func(apikey *v1alpha1.APIKey) { apikey.Spec.Roles = []v1alpha1.RoleName{"synchronizer"} }
	ownedBy := func(apikey *v1alpha1.APIKey) { apikey.Spec.Owner = "bob@example.com" }
	suspended := func(apikey *v1alpha1.APIKey) { apikey.Spec.Suspend = true }
	resumed := func(apikey *v1alpha1.APIKey) { apikey.Spec.Suspend = false }
	asIs := func(*v1alpha1.APIKey) {}

	DescribeTable("says who may not do what, and which rule would allow it, and that rule does",
		func(ctx SpecContext, was, is func(*v1alpha1.APIKey), wanted string) {
			namespace := newNamespace(ctx)
			edit := mayEdit
			if strings.Contains(wanted, "environments/") {
				edit.Resources = []string{"apikeys"}
			}
			allow(ctx, jane, namespace, edit)
			send := func() error {
				apikey := newAPIKey(namespace, named("main-website"))
				if was == nil {
					is(apikey)

					return as(jane).Create(ctx, apikey)
				}
				Expect(admin.Get(ctx, client.ObjectKeyFromObject(apikey), apikey)).To(Succeed())
				is(apikey)

				return as(jane).Update(ctx, apikey)
			}
			if was != nil {
				Expect(admin.Create(ctx, newAPIKey(namespace, named("main-website"), was))).To(Succeed())
			}

			message := refusalOf(send())
			Expect(message).To(Equal(strings.ReplaceAll(wanted, "NAMESPACE", namespace)))
			found := ruleInMessage.FindStringSubmatch(message)
			Expect(found).To(HaveLen(2), message)
			var allowed rbacv1.PolicyRule
			Expect(yaml.UnmarshalStrict([]byte(found[1]), &allowed)).To(Succeed())
			allow(ctx, jane, namespace, allowed)
			Expect(send()).To(Succeed())
		},
		Entry(
			"a permission",
			nil,
			has(),
			`jane@example.com may not put permission "customers:read" on an APIKey in namespace "NAMESPACE": that needs verb "grant" on `+
				`"permissions/customers:read".`+allow0+rule+".",
		),
		Entry(
			"a role",
			nil,
			hasRole,
			`jane@example.com may not put role "synchronizer" on an APIKey in namespace "NAMESPACE": that needs verb "grant" on "roles/synchronizer".`+
				allow0+roleRule+".",
		),
		Entry(
			"an owner",
			nil,
			ownedBy,
			`jane@example.com may not create an APIKey for owner "bob@example.com" in namespace "NAMESPACE": that needs verb "assign" on `+
				`"owners/bob@example.com".`+allow0+ownerRule+".",
		),
		Entry(
			"a permission that is added",
			asIs,
			has(),
			`jane@example.com may not put permission "customers:read" on an APIKey in namespace "NAMESPACE": that needs verb "grant" on `+
				`"permissions/customers:read".`+allow0+rule+".",
		),
		Entry(
			"an extension",
			has(valid("1h")),
			valid("2h"),
			`jane@example.com may not extend the expiry of an APIKey that has permission "customers:read" in namespace "NAMESPACE": that needs verb `+
				`"grant" on "permissions/customers:read".`+allow0+rule+".",
		),
		Entry(
			"a rotation",
			has(),
			annotated("1"),
			`jane@example.com may not rotate an APIKey that has permission "customers:read" in namespace "NAMESPACE": that needs verb "grant" on `+
				`"permissions/customers:read".`+allow0+rule+".",
		),
		Entry(
			"a rotation by the clock",
			hasRole,
			rotating("1h"),
			`jane@example.com may not schedule an earlier rotation of an APIKey that has role "synchronizer" in namespace "NAMESPACE": that needs verb `+
				`"grant" on "roles/synchronizer".`+allow0+roleRule+".",
		),
		Entry(
			"a resumption",
			has(suspended),
			resumed,
			`jane@example.com may not resume an APIKey that has permission "customers:read" in namespace "NAMESPACE": that needs verb "grant" on `+
				`"permissions/customers:read".`+allow0+rule+".",
		),
		Entry(
			"a resumption for an owner",
			func(apikey *v1alpha1.APIKey) { ownedBy(apikey); suspended(apikey) },
			resumed,
			`jane@example.com may not resume an APIKey for owner "bob@example.com" in namespace "NAMESPACE": that needs verb "assign" on `+
				`"owners/bob@example.com".`+allow0+ownerRule+".",
		),
		Entry(
			"more customers",
			has(opening("a")),
			opening("a", "b"),
			`jane@example.com may not add customers to an APIKey that has permission "customers:read" in namespace "NAMESPACE": that needs verb "grant" `+
				`on "permissions/customers:read".`+allow0+rule+".",
		),
		Entry(
			"an environment",
			nil,
			asIs,
			`jane@example.com may not create an APIKey for environment "Production" in namespace "NAMESPACE": that needs verb "use" on `+
				`"environments/Production".`+allow0+environmentRule+".",
		),
		Entry(
			"a rotation in an environment",
			asIs,
			annotated("1"),
			`jane@example.com may not rotate an APIKey for environment "Production" in namespace "NAMESPACE": that needs verb "use" on `+
				`"environments/Production".`+allow0+environmentRule+".",
		),
		Entry(
			"a longer overlap",
			has(overlapping("1h")),
			overlapping("2h"),
			`jane@example.com may not lengthen the overlap of an APIKey that has permission "customers:read" in namespace "NAMESPACE": that needs verb `+
				`"grant" on "permissions/customers:read".`+allow0+rule+".",
		),
		Entry(
			"a longer claim period",
			has(claimable("1h")),
			claimable("2h"),
			`jane@example.com may not lengthen the claim period of an APIKey that has permission "customers:read" in namespace "NAMESPACE": that needs verb `+
				`"grant" on "permissions/customers:read".`+allow0+rule+".",
		),
		Entry(
			"other labels of the Secret",
			hasRole,
			labelled(labels{"argocd.argoproj.io/secret-type": "cluster"}, nil),
			`jane@example.com may not change the labels or annotations of the Secret of an APIKey that has role "synchronizer" in namespace "NAMESPACE": `+
				`that needs verb "grant" on "roles/synchronizer".`+allow0+roleRule+".",
		),
		Entry(
			"other annotations of the Secret",
			ownedBy,
			labelled(nil, annotations{"replicator.v1.mittwald.de/replicate-to": ".*"}),
			`jane@example.com may not change the labels or annotations of the Secret of an APIKey for owner "bob@example.com" in namespace "NAMESPACE": `+
				`that needs verb "assign" on "owners/bob@example.com".`+allow0+ownerRule+".",
		),
	)

	It("counts the end that the operator has recorded, which a policy can have set", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		allow(ctx, jane, namespace, mayEdit)
		apikey := newAPIKey(namespace, has())
		Expect(admin.Create(ctx, apikey)).To(Succeed())
		recorded := newAPIKey(namespace, expiring("2899-01-01T00:00:00Z"))
		apikey.Status.Phase, apikey.Status.ExpiresAt = v1alpha1.PhaseActive, recorded.Spec.ExpiresAt
		Expect(asMaster(operatorUser).Status().Update(ctx, apikey)).To(Succeed())

		later := apikey.DeepCopy()
		expiring("2899-01-01T00:00:01Z")(later)
		Expect(refusalOf(as(jane).Update(ctx, later))).To(ContainSubstring("extend the expiry"))
		expiring("2899-01-01T00:00:00Z")(apikey)
		Expect(as(jane).Update(ctx, apikey)).To(Succeed())
	})
})
