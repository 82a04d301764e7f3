// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guardrails_test

import (
	"context"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/guardrails"
)

// Labels of namespaces: mutantOfLabel says which guardrail probes are about there, and mutantLabel which mutant of it is in
// force there instead of the guardrail itself; without it, the guardrail is.
const (
	mutantOfLabel = "example.com/mutant-of"
	mutantLabel   = "example.com/mutant"
)

// mutant is a guardrail that lacks one part.
type mutant struct {
	guardrails.Guardrail

	// lacks says what; empty: nothing, to see that a mutant differs only by what it lacks.
	lacks string
}

// mutants are those of a guardrail, each with one part taken out.
func mutants(whole guardrails.Guardrail) []mutant {
	var all []mutant
	add := func(lacks string, mutate func(*guardrails.Guardrail)) {
		m := guardrails.Guardrail{Name: whole.Name, Policy: whole.Policy.DeepCopy(), Binding: whole.Binding.DeepCopy()}
		mutate(&m)
		all = append(all, mutant{Guardrail: m, lacks: lacks})
	}
	add("", func(*guardrails.Guardrail) {})
	add("its binding", func(m *guardrails.Guardrail) { m.Binding = nil })
	for i := range whole.Policy.Spec.Validations {
		add(fmt.Sprintf("validation %d", i), func(m *guardrails.Guardrail) { m.Policy.Spec.Validations[i].Expression = "true" })
		for name, without := range withoutPieces(whole.Policy.Spec.Validations[i].Expression) {
			add(fmt.Sprintf("validation %d: %s", i, name), func(m *guardrails.Guardrail) { m.Policy.Spec.Validations[i].Expression = without })
		}
	}
	for i, operation := range whole.Policy.Spec.MatchConstraints.ResourceRules[0].Operations {
		add(fmt.Sprintf("the operation %s", operation), func(m *guardrails.Guardrail) {
			m.Policy.Spec.MatchConstraints.ResourceRules[0].Operations[i] = admissionregistrationv1.Connect
		})
	}
	for i, condition := range whole.Policy.Spec.MatchConditions {
		add("the condition "+condition.Name, func(m *guardrails.Guardrail) {
			m.Policy.Spec.MatchConditions = slices.Delete(m.Policy.Spec.MatchConditions, i, i+1)
		})
		for name, without := range withoutPieces(condition.Expression) {
			add(condition.Name+": "+name, func(m *guardrails.Guardrail) { m.Policy.Spec.MatchConditions[i].Expression = without })
		}
	}

	return all
}

// withoutPieces are an expression without each of its pieces, by the name of the piece, in the order of pieces.
func withoutPieces(expression string) iter.Seq2[string, string] {
	return func(yield func(name, without string) bool) {
		for _, p := range pieces() {
			without := p.text.ReplaceAllLiteralString(expression, p.instead)
			if without != expression && !yield(p.name, without) {
				return
			}
		}
	}
}

// piece is a part of an expression that does something by itself.
type piece struct {
	name string
	text *regexp.Regexp
	// instead is the text without it.
	instead string
}

// pieces are those that mutants lack one by one.
func pieces() []piece {
	all := []piece{
		{name: "the limit on owner references", text: regexp.MustCompile(`size\(\w+\.metadata\.\?ownerReferences\.orValue\(\[\]\)\) > 64 \|\| `)},
		{name: "the limit on owner references to collect", text: regexp.MustCompile(`size\(oldObject\S+ <= 64`), instead: "true"},
		{name: "the owners before", text: regexp.MustCompile(`request\.operation == 'UPDATE' && \(size\(oldObject`), instead: "false && (size(oldObject"},
		{name: "the comparison of the rest", text: regexp.MustCompile(` && !\(object\.\?data .*oldObject\.\?metadata\.\?annotations\)`)},
		{name: "that what was as large may stay", text: regexp.MustCompile(`variables\.bytes <= variables\.bytesBefore`), instead: "false"},
		{name: "that entries may go one by one", text: regexp.MustCompile(`variables\.entries < variables\.entriesBefore`), instead: "false"},
		{name: "that nothing else changes with them", text: regexp.MustCompile(` && !\(object\.\?metadata\.\?labels .*oldObject\.\?metadata\.\?annotations\)`)},
		{name: "that a long value may stay", text: regexp.MustCompile(` \|\| \(request\.operation == 'UPDATE' && object\.metadata\.\?annotations\[.*$`)},
		{name: "the version of the group", text: regexp.MustCompile(`r\.apiVersion\.startsWith\('[^']+'\)`), instead: "true"},
		{name: "the kind of the owner", text: regexp.MustCompile(`r\.kind == 'APIKey'`), instead: "true"},
	}
	for _, field := range []string{"uid", "name", "kind", "apiVersion", "?controller"} {
		all = append(all, piece{
			name: "the " + field + " of a reference that stays", instead: "true",
			text: regexp.MustCompile(regexp.QuoteMeta("o." + field + " == r." + field)),
		})
	}
	for _, user := range systemControllers() {
		all = append(all, piece{name: "the name " + user, text: regexp.MustCompile(regexp.QuoteMeta("'" + user + "'")), instead: "'nobody'"})
	}

	return all
}

// upgraded are the namespaces that hold APIKeys from before the rules and the guardrails.
var upgraded preparedNamespaces

type preparedNamespaces struct {
	// namespace holds one of each.
	namespace string
	// whole are the namespaces in which a guardrail as it is answers its probes, by guardrail, with fixtures.
	whole map[string]string
	// mutants are the namespaces of mutants(), by guardrail, with fixtures and the one that no CEL can read.
	mutants map[string][]string
}

// prepare makes the namespaces.
func (p *preparedNamespaces) prepare(ctx context.Context) {
	GinkgoHelper()
	p.namespace = newNamespace(ctx)
	for name := range fromBefore {
		storeFromBefore(ctx, p.namespace, name)
	}
	for _, apikey := range largestFromBefore(p.namespace) {
		Expect(admin.Create(ctx, apikey)).To(Succeed())
	}
	badly := keyFromBefore(p.namespace, "asks-badly")
	badly.SetAnnotations(map[string]string{v1alpha1.RotateAnnotation: "a, overlap=soon"})
	badly.Object["spec"] = map[string]any{"environment": "Production"}
	Expect(admin.Create(ctx, badly)).To(Succeed())
	p.whole, p.mutants = map[string]string{}, map[string][]string{}
	for _, guardrail := range expected() {
		p.whole[guardrail.Name] = newNamespace(ctx, mutantOfLabel, guardrail.Name)
		storeFixtures(ctx, p.whole[guardrail.Name])
		storeFromBefore(ctx, p.whole[guardrail.Name], unreadableKey)
		for i := range mutants(guardrail) {
			namespace := newNamespace(ctx, mutantOfLabel, guardrail.Name, mutantLabel, fmt.Sprint(i))
			storeFixtures(ctx, namespace)
			storeFromBefore(ctx, namespace, unreadableKey)
			p.mutants[guardrail.Name] = append(p.mutants[guardrail.Name], namespace)
		}
	}
}

// inNamespaces narrows a binding to the namespaces that a selector selects.
func inNamespaces(binding *admissionregistrationv1.ValidatingAdmissionPolicyBinding, requirements ...metav1.LabelSelectorRequirement) {
	binding.Spec.MatchResources = &admissionregistrationv1.MatchResources{
		NamespaceSelector: &metav1.LabelSelector{MatchExpressions: requirements},
	}
}

// release puts a mutant in force in its namespace.
func (m mutant) release(ctx context.Context, n int) {
	GinkgoHelper()
	m.Policy.ObjectMeta = metav1.ObjectMeta{GenerateName: "mutant-"}
	Expect(admin.Create(ctx, m.Policy)).To(Succeed())
	DeferCleanup(remove, m.Policy)
	if m.Binding == nil {
		return
	}
	m.Binding.ObjectMeta = metav1.ObjectMeta{Name: m.Policy.Name}
	m.Binding.Spec.PolicyName = m.Policy.Name
	inNamespaces(m.Binding,
		metav1.LabelSelectorRequirement{Key: mutantOfLabel, Operator: metav1.LabelSelectorOpIn, Values: []string{m.Name}},
		metav1.LabelSelectorRequirement{Key: mutantLabel, Operator: metav1.LabelSelectorOpIn, Values: []string{fmt.Sprint(n)}})
	Expect(admin.Create(ctx, m.Binding)).To(Succeed())
	DeferCleanup(remove, m.Binding)
}

// giveWay takes a guardrail out of force where a mutant of it is to be, until the spec ends.
func giveWay(ctx context.Context, binding *admissionregistrationv1.ValidatingAdmissionPolicyBinding) {
	GinkgoHelper()
	patch := client.MergeFrom(binding.DeepCopy())
	back := binding.DeepCopy()
	inNamespaces(binding, metav1.LabelSelectorRequirement{Key: mutantLabel, Operator: metav1.LabelSelectorOpDoesNotExist})
	Expect(admin.Patch(ctx, binding, patch)).To(Succeed())
	DeferCleanup(everywhere, back)
}

// everywhere puts a guardrail in force in all namespaces again.
func everywhere(ctx SpecContext, binding *admissionregistrationv1.ValidatingAdmissionPolicyBinding) {
	Expect(admin.Patch(ctx, binding, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"matchResources":null}}`)))).To(Succeed())
}

// remove deletes an object.
func remove(ctx SpecContext, object client.Object) {
	Expect(admin.Delete(ctx, object)).To(Succeed())
}

// awaitPoliciesOfBefore waits until every ValidatingAdmissionPolicy and binding that was made before is in force: the API
// server gets to know them in the order in which they are made, so a later pair of them says so.
func awaitPoliciesOfBefore(ctx context.Context, namespace string) {
	GinkgoHelper()
	name := "sentinel-" + namespace
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionregistrationv1.MatchResources{ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{
				RuleWithOperations: admissionregistrationv1.RuleWithOperations{
					Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
					Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
				},
			}}},
			Validations: []admissionregistrationv1.Validation{{Expression: "object.metadata.name != '" + name + "'"}},
		},
	}
	Expect(admin.Create(ctx, policy)).To(Succeed())
	DeferCleanup(remove, policy)
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: name, ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
		},
	}
	Expect(admin.Create(ctx, binding)).To(Succeed())
	DeferCleanup(remove, binding)
	asked := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	Eventually(func() error { return admin.Create(ctx, asked.DeepCopy(), client.DryRunAll) }).
		WithTimeout(inForceTimeout).WithPolling(20 * time.Millisecond).Should(MatchError(ContainSubstring(name)))
}

// probesOf are the probes of a guardrail.
func probesOf(guardrail string) []probe {
	return slices.DeleteFunc(probes(), func(p probe) bool { return p.guardrail != guardrail })
}

// The tables of probes say what is refused and what is not. This says that each part of a guardrail is what makes it so: a part
// that nobody would miss is either not tested or not needed. All mutants are there at once, each in a namespace of its own.
var _ = Describe("Guardrails that lack one part", func() {
	It("answer a probe differently", func(ctx SpecContext) {
		policies, bindings := installed(ctx)
		var released []mutant
		for _, policy := range policies {
			name := policy.Labels[guardrails.Label]
			i := slices.IndexFunc(bindings, func(b admissionregistrationv1.ValidatingAdmissionPolicyBinding) bool {
				return b.Labels[guardrails.Label] == name
			})
			Expect(i).NotTo(Equal(-1), name)
			whole := guardrails.Guardrail{Name: name, Policy: policy.DeepCopy(), Binding: bindings[i].DeepCopy()}
			Expect(mutants(whole)).To(HaveLen(len(upgraded.mutants[name])), name)
			for n, m := range mutants(whole) {
				if name == "limits" {
					storeLimitFixtures(ctx, upgraded.mutants[name][n])
				}
				released = append(released, m)
			}
		}
		for i := range bindings {
			giveWay(ctx, &bindings[i])
		}
		n := map[string]int{}
		for _, m := range released {
			m.release(ctx, n[m.Name])
			n[m.Name]++
		}
		awaitPoliciesOfBefore(ctx, upgraded.namespace)

		n = map[string]int{}
		for _, m := range released {
			namespace := upgraded.mutants[m.Name][n[m.Name]]
			n[m.Name]++
			var differ []string
			for _, p := range probesOf(m.Name) {
				if different := p.unexpected(ctx, namespace); different != "" {
					differ = append(differ, different)
				}
			}
			if m.lacks == "" {
				Expect(differ).To(BeEmpty(), "%s as it is", m.Name)
			} else {
				Expect(differ).NotTo(BeEmpty(), "no probe notices that %s lacks %s", m.Name, m.lacks)
			}
			AddReportEntry(fmt.Sprintf("%s lacks %s", m.Name, m.lacks), ReportEntryVisibilityFailureOrVerbose, strings.Join(differ, "\n"))
		}
	})
})

// installed are the guardrails as the API server has them.
func installed(ctx context.Context) ([]admissionregistrationv1.ValidatingAdmissionPolicy, []admissionregistrationv1.ValidatingAdmissionPolicyBinding) {
	GinkgoHelper()
	var policies admissionregistrationv1.ValidatingAdmissionPolicyList
	Expect(admin.List(ctx, &policies, client.HasLabels{guardrails.Label})).To(Succeed())
	var bindings admissionregistrationv1.ValidatingAdmissionPolicyBindingList
	Expect(admin.List(ctx, &bindings, client.HasLabels{guardrails.Label})).To(Succeed())

	return policies.Items, bindings.Items
}
