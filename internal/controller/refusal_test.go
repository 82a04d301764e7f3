// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/controller"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

func notFound(name client.ObjectKey) error {
	return apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, name.Name)
}

// allow lets a user read APIKeys in the fixture's namespace, write their status or not, and use the verbs on Secrets;
// and everywhere read what APIKeys have to meet.
func (f *fixture) allow(user string, status bool, secretVerbs ...string) {
	GinkgoHelper()
	rules := []rbacv1.PolicyRule{{APIGroups: []string{v1alpha1.GroupName}, Resources: []string{"apikeys"}, Verbs: []string{"get", "list", "watch"}}}
	if status {
		rules = append(rules, rbacv1.PolicyRule{APIGroups: []string{v1alpha1.GroupName}, Resources: []string{"apikeys/status"}, Verbs: []string{"update"}})
	}
	rules = append(rules, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: secretVerbs})
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: f.name.Namespace, Name: "operator"}, Rules: rules}
	Expect(admin.Create(f.ctx, role)).To(Succeed())
	Expect(admin.Create(f.ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.name.Namespace, Name: "operator"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	})).To(Succeed())

	wide := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "operator-of-" + f.name.Namespace}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{v1alpha1.GroupName}, Resources: []string{"apikeypolicies"}, Verbs: []string{"get", "list", "watch"}},
		{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"get", "list", "watch"}},
	}}
	Expect(admin.Create(f.ctx, wide)).To(Succeed())
	Expect(admin.Create(f.ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: wide.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: wide.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	})).To(Succeed())
}

// reconcilerWith returns an operator that may use only the listed verbs on Secrets, in the fixture's namespace.
func (f *fixture) reconcilerWith(status bool, secretVerbs ...string) *controller.Reconciler {
	GinkgoHelper()
	user := "operator-of-" + f.name.Namespace
	f.allow(user, status, secretVerbs...)
	cfg, err := plane.User(user)
	Expect(err).NotTo(HaveOccurred())

	r := f.reconcilerFor(cfg)
	full := f.reconciler(testkit.NewWire(testkit.Cut{}))
	r.Metadata, r.Policies = full.Metadata, full.Policies // stand for a cache that was filled before
	Eventually(func() error {                             // the authorizer learns of the role from a watch of its own
		return r.APIKeys.Get(f.ctx, f.name, &v1alpha1.APIKey{})
	}).WithTimeout(10 * time.Second).Should(Succeed())

	return r
}

var _ = Describe("A missing permission", func() {
	DescribeTable("is reported in Ready and tried again, and nothing is half done",
		func(ctx context.Context, prepare func(*fixture), missing, message string) {
			f := newFixture(ctx)
			prepare(f)
			verbs := slices.DeleteFunc([]string{"get", "create", "update", "delete"}, func(verb string) bool { return verb == missing })
			r := f.reconcilerWith(true, verbs...)
			before := f.key().Status.Keys
			for range 3 { // again and again, and the status does not grow
				_, err := f.pass(r)
				Expect(apierrors.IsForbidden(err)).To(BeTrue(), "the error makes the queue back off: %v", err)
			}
			Expect(condition(f.key(), v1alpha1.ConditionReady)).To(And(
				HaveField("Status", metav1.ConditionFalse),
				HaveField("Reason", v1alpha1.ReasonRequestRefused),
				HaveField("Message", And(ContainSubstring("The API server refused to "+message), ContainSubstring("cannot "+missing)))))
			Expect(condition(f.key(), v1alpha1.ConditionReconciling)).NotTo(BeNil())
			Expect(f.key().Status.Keys).To(Equal(before), "no announced key is left over")
			expectNoDeadKeyInSecret(f)
			Expect(slices.DeleteFunc(f.events, func(reason string) bool { return reason != v1alpha1.ReasonRequestRefused })).To(HaveLen(1), "told once")

			By("granting it")
			f.settle()
			Expect(condition(f.key(), v1alpha1.ConditionReady).Status).To(Equal(metav1.ConditionTrue))
			Expect(condition(f.key(), v1alpha1.ConditionReconciling)).To(BeNil())
		},
		Entry("to read Secrets", func(f *fixture) { f.create() }, "get", "read Secret"),
		Entry("to create Secrets", func(f *fixture) { f.create() }, "create", "create Secret"),
		Entry("to update Secrets", func(f *fixture) { f.create(); f.settle(); f.rotate("now") }, "update", "update Secret"),
		Entry("to delete Secrets", func(f *fixture) {
			f.create()
			f.settle()
			f.edit(func(k *v1alpha1.APIKey) { k.Spec.Revoked = true })
		}, "delete", "delete Secret"),
	)

	It("to write the status hands out nothing, because that comes first", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		_, err := f.pass(f.reconcilerWith(false, "get", "create", "update", "delete"))
		Expect(apierrors.IsForbidden(err)).To(BeTrue())
		Expect(f.secret()).To(BeNil())
	})
})

var _ = Describe("A validating policy that quotes our Secret", func() {
	It("is reported without the key when it refuses the Secret", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		removePolicy := f.quoteSecrets(admissionv1.Deny)

		_, err := f.pass(f.reconciler(testkit.NewWire(testkit.Cut{})))
		Expect(err).To(HaveOccurred())
		Expect(err.Error()).To(And(ContainSubstring("not on my watch"), ContainSubstring(keys.Redacted)))
		Expect(condition(f.key(), v1alpha1.ConditionReady)).To(HaveField("Message", And(
			ContainSubstring("not on my watch"), ContainSubstring(keys.Redacted))))
		Expect(f.key().Status.Keys).To(BeEmpty())
		Expect(f.secret()).To(BeNil())

		removePolicy()
		f.settle()
		f.expectHealthy()
	})

	It("does not get the key into the log when it only warns", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create()
		f.quoteSecrets(admissionv1.Warn)
		f.settle()
		f.expectHealthy()
		warning := base64.StdEncoding.EncodeToString([]byte(f.value()))
		Expect(logged.contains(warning)).To(BeFalse(), "the warning that quotes the key is in the log")
	})
})

// quoteSecrets makes the API server refuse Secrets in the fixture's namespace, or warn of them, and say what they hold.
func (f *fixture) quoteSecrets(action admissionv1.ValidationAction) (remove func()) {
	GinkgoHelper()
	name := "quote-" + f.name.Namespace
	policy := &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{
				RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Create},
					Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"secrets"}},
				},
			}}},
			Validations: []admissionv1.Validation{{
				Expression:        "!('api-key' in object.data)",
				MessageExpression: "'not on my watch: ' + string(object.data['api-key'])", // in base64, as JSON carries it
			}},
		},
	}
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName:        name,
			ValidationActions: []admissionv1.ValidationAction{action},
			MatchResources: &admissionv1.MatchResources{NamespaceSelector: &metav1.LabelSelector{
				MatchLabels: map[string]string{corev1.LabelMetadataName: f.name.Namespace},
			}},
		},
	}
	Expect(admin.Create(f.ctx, policy)).To(Succeed())
	Expect(admin.Create(f.ctx, binding)).To(Succeed())
	warnings := &warningCounter{}
	cfg := rest.CopyConfig(plane.Config)
	cfg.WarningHandlerWithContext = warnings
	prober, err := client.New(cfg, client.Options{Scheme: testkit.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	probe := func() error {
		warnings.n = 0
		err := prober.Create(f.ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: f.name.Namespace, GenerateName: "probe-"},
			Data:       map[string][]byte{"api-key": []byte("probe")},
		}, client.DryRunAll)
		if err == nil && warnings.n > 0 {
			return errors.New("there was a warning")
		}

		return err
	}
	Eventually(probe).WithTimeout(30*time.Second).Should(HaveOccurred(), "the policy takes effect")

	return func() {
		Expect(admin.Delete(f.ctx, binding)).To(Succeed())
		Expect(admin.Delete(f.ctx, policy)).To(Succeed())
		Eventually(probe).WithTimeout(30*time.Second).Should(Succeed(), "the policy is gone")
	}
}

// warningCounter counts the warnings of the API server.
type warningCounter struct{ n int }

// HandleWarningHeaderWithContext implements rest.WarningHandlerWithContext.
func (w *warningCounter) HandleWarningHeaderWithContext(context.Context, int, string, string) { w.n++ }

var _ = Describe("A namespace that is being deleted", func() {
	It("is left in peace", func(ctx context.Context) {
		f := newFixture(ctx)
		f.create(func(k *v1alpha1.APIKey) { k.Finalizers = []string{"example.com/hold"} })
		ns := &corev1.Namespace{}
		Expect(admin.Get(ctx, client.ObjectKey{Name: f.name.Namespace}, ns)).To(Succeed())
		Expect(admin.Delete(ctx, ns)).To(Succeed())
		_, err := f.pass(f.reconciler(testkit.NewWire(testkit.Cut{})))
		Expect(err).NotTo(HaveOccurred())
		Expect(f.secret()).To(BeNil())
		f.edit(func(k *v1alpha1.APIKey) { k.Finalizers = nil })
	})
})
