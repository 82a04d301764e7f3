// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/access"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/server"
)

// The rows of the contract: what a client sends, and what it is told. Each is asked over every interface.
var _ = Describe("A request", Ordered, func() {
	var namespace string
	minted := map[string]string{}
	full := func() v1alpha1.APIKeySpec {
		return v1alpha1.APIKeySpec{
			Environment: v1alpha1.EnvironmentProduction, Permissions: []v1alpha1.Permission{"customers:read", "telemetry:write"},
			Customers: []v1alpha1.Customer{"acme", "initech"}, Owner: "jane@example.com",
		}
	}

	BeforeAll(func(ctx SpecContext) {
		namespace = newNamespace(ctx)
		role := &v1alpha1.APIKeyRole{
			ObjectMeta: metav1.ObjectMeta{Name: "synchronizer"},
			Spec:       v1alpha1.APIKeyRoleSpec{Permissions: []v1alpha1.Permission{"orders:read", "customers:read"}},
		}
		Expect(admin.Create(ctx, role)).To(Succeed())
		for name, edit := range map[string]func(*v1alpha1.APIKeySpec){
			"full":      func(*v1alpha1.APIKeySpec) {},
			"minimal":   func(s *v1alpha1.APIKeySpec) { *s = v1alpha1.APIKeySpec{Environment: v1alpha1.EnvironmentProduction} },
			"roles":     func(s *v1alpha1.APIKeySpec) { s.Roles = []v1alpha1.RoleName{"synchronizer", "no-such-role"} },
			"staging":   func(s *v1alpha1.APIKeySpec) { s.Environment = v1alpha1.EnvironmentStaging },
			"suspended": func(s *v1alpha1.APIKeySpec) { s.Suspend = true },
			"expiring":  func(s *v1alpha1.APIKeySpec) { s.ValidFor = "1h" },
			"limited":   func(s *v1alpha1.APIKeySpec) { s.RateLimit = &v1alpha1.RateLimit{Requests: 60, Per: "1m", Burst: 2} },
			"bursty": func(s *v1alpha1.APIKeySpec) {
				s.RateLimit = &v1alpha1.RateLimit{Requests: 100, Per: "1m40s", Burst: 1000}
			},
			"revoked":  func(*v1alpha1.APIKeySpec) {},
			"deleted":  func(*v1alpha1.APIKeySpec) {},
			"disputed": func(*v1alpha1.APIKeySpec) {},
		} {
			spec := full()
			edit(&spec)
			minted[name] = mint(ctx, namespace, name, spec)
		}
		change(ctx, namespace, "revoked", func(k *v1alpha1.APIKey) { k.Spec.Revoked = true },
			func(s *access.Subject) bool { return s.Revoked })
		// The operator withdraws a copied digest within seconds, so the watch is told of one that was never stored.
		digest := keys.DigestOf(minted["disputed"])
		Expect(verifier.index.APIKeys().Add(&v1alpha1.APIKey{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "copy", UID: "copy"},
			Spec:       full(),
			Status: v1alpha1.APIKeyStatus{Phase: v1alpha1.PhaseActive, Keys: []v1alpha1.KeyRecord{
				{ID: digest.ID(), Digest: digest.String(), State: v1alpha1.KeyActive, CreatedAt: metav1.Now()},
			}},
		})).To(Succeed())
		// A finalizer keeps an object that is being deleted in sight.
		change(ctx, namespace, "deleted", func(k *v1alpha1.APIKey) { k.Finalizers = []string{"example.com/slow"} }, func(*access.Subject) bool { return true })
		key := &v1alpha1.APIKey{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "deleted"}}
		Expect(admin.Delete(ctx, key)).To(Succeed())
		Eventually(func() bool { return verifier.index.Find(keys.DigestOf(minted["deleted"])).Subject.Revoked }).WithTimeout(patience).Should(BeTrue())
		DeferCleanup(func(ctx SpecContext) {
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(key), key)).To(Succeed())
			key.Finalizers = nil
			Expect(admin.Update(ctx, key)).To(Succeed())
		})
	})
	BeforeEach(func() { verifier.clock.SetTime(time.Now()) })

	for _, r := range rows() {
		for _, way := range interfaces() {
			It(r.name+" is "+r.reason.String()+" over "+way.name, func(ctx SpecContext) {
				verifier.clock.Step(r.later)
				q := question{needs: r.needs}
				if q.needs == nil {
					q.needs = production
				}
				key := minted[r.key]
				if r.headers != nil {
					q.headers = r.headers(key)
				} else {
					q.headers = [][2]string{{"X-API-Key", key}}
				}
				used := verifier.uses.of(r.key)
				got := way.ask(verifier, ctx, q)
				Expect(got.Code).To(Equal(r.reason.Code()), got.Body)
				if r.reason == access.Allowed {
					expectIdentity(got, namespace, r.key, q.needs)
					Expect(verifier.uses.of(r.key)).To(Equal(used + 1))
				} else {
					expectProblem(got, r.reason, q.needs)
					Expect(verifier.uses.of(r.key)).To(Equal(used))
				}
				expectLogged(r.reason, namespace, r.key, key)
			})
		}
	}

	It("beyond the rate limit is rate_limited over every interface, and told when to come back", func(ctx SpecContext) {
		q := question{headers: sends("Authorization", "Bearer {key}")(minted["limited"]), needs: production}
		for _, way := range interfaces() {
			verifier.clock.Step(time.Hour) // the burst of 2 is there again
			for remaining := 1; remaining >= 0; remaining-- {
				got := way.ask(verifier, ctx, q)
				Expect(got.Code).To(Equal(200), way.name)
				Expect(got.Headers).To(HaveKeyWithValue("ratelimit-policy", `"default";q=60;w=60`), way.name)
				Expect(got.Headers["ratelimit"]).To(HavePrefix(map[int]string{1: `"default";r=1;t=1`, 0: `"default";r=0;t=1`}[remaining]), way.name)
			}
			got := way.ask(verifier, ctx, q)
			Expect(got.Code).To(Equal(429), way.name)
			Expect(got.Headers).To(HaveKeyWithValue("retry-after", "1"), way.name)
			Expect(got.Headers).To(HaveKeyWithValue("ratelimit-policy", `"default";q=60;w=60`), way.name)
			Expect(got.Headers).To(HaveKeyWithValue("ratelimit", `"default";r=0;t=1`), way.name)
			for _, header := range []string{"retry-after", "ratelimit", "ratelimit-policy"} {
				delete(got.Headers, header)
			}
			expectProblem(got, access.RateLimited, production)
			verifier.clock.Step(time.Second)
			Expect(way.ask(verifier, ctx, q).Code).To(Equal(200), "%s: a second later one more fits", way.name)
		}
	})

	It("with a burst beyond its quota is told of no more than the quota over every interface, and when there is more", func(ctx SpecContext) {
		for _, way := range interfaces() {
			got := way.ask(verifier, ctx, question{headers: sends("Authorization", "Bearer {key}")(minted["bursty"]), needs: production})
			Expect(got.Code).To(Equal(200), way.name)
			Expect(got.Headers).To(HaveKeyWithValue("ratelimit-policy", `"default";q=100;w=100`), way.name)
			Expect(got.Headers).To(HaveKeyWithValue("ratelimit", `"default";r=100;t=1`), way.name)
		}
	})

	It("that is refused does not count against the rate limit", func(ctx SpecContext) {
		verifier.clock.Step(24 * time.Hour)
		bearer := sends("Authorization", "Bearer {key}")(minted["limited"])
		refused := question{headers: bearer, needs: with(production[:1], "permission", "orders:read")}
		for range 10 {
			Expect(verifier.askHTTP(ctx, refused).Code).To(Equal(403))
		}
		Expect(verifier.askHTTP(ctx, question{headers: bearer, needs: production}).Code).To(Equal(200))
	})
})

// foreign is a key with a right checksum that no operator has drawn.
func foreign() string {
	key, err := keys.Generator{}.New(v1alpha1.EnvironmentProduction)
	if err != nil {
		panic(err)
	}

	return key.Reveal()
}

// expectIdentity expects that the API behind is told whose key it is.
func expectIdentity(got reply, namespace, name string, needs [][2]string) {
	GinkgoHelper()
	want := map[string]string{
		"x-apikey-name": name, "x-apikey-namespace": namespace, "x-apikey-environment": "Production",
		"x-apikey-permissions": "customers:read,telemetry:write", "x-apikey-owner": "jane@example.com", "x-apikey-customers": "acme,initech",
	}
	switch name {
	case "minimal":
		want["x-apikey-permissions"], want["x-apikey-owner"], want["x-apikey-customers"] = "", "", ""
	case "roles":
		want["x-apikey-permissions"] = "customers:read,orders:read,telemetry:write"
	}
	chosen := valueOf(needs, "identity")
	for header := range want {
		if chosen != "" && !slices.Contains(strings.Split(chosen, ","), strings.TrimPrefix(header, "x-apikey-")) {
			want[header] = ""
		}
	}
	id := got.Headers["x-apikey-id"]
	if chosen == "" || slices.Contains(strings.Split(chosen, ","), "id") {
		Expect(id).To(HaveLen(12))
	} else {
		Expect(id).To(BeEmpty())
	}
	delete(got.Headers, "x-apikey-id")
	for header, value := range got.Headers { // absent over HTTP, removed over gRPC
		if value == "" {
			Expect(want).To(HaveKeyWithValue(header, ""))
			delete(got.Headers, header)
		}
	}
	for header, value := range want {
		if value == "" {
			delete(want, header)
		}
	}
	Expect(got.Headers).To(Equal(want))
	Expect(got.Body).To(BeEmpty())
}

// valueOf is what the gateway says about an endpoint under a name.
func valueOf(needs [][2]string, name string) string {
	for _, need := range needs {
		if need[0] == name {
			return need[1]
		}
	}

	return ""
}

// expectProblem expects a refusal that says why and nothing else.
func expectProblem(got reply, reason access.Reason, needs [][2]string) {
	GinkgoHelper()
	want := map[string]string{"content-type": "application/problem+json", "cache-control": "no-store", "x-apikey-reason": reason.String()}
	if reason.Code() == 401 {
		want["www-authenticate"] = got.Headers["www-authenticate"]
		Expect(want["www-authenticate"]).To(HavePrefix(`Bearer realm="apikey-operator"`))
	}
	Expect(got.Headers).To(Equal(want))
	var problem struct {
		Type, Title, Detail, Reason string
		Status                      int
	}
	decoder := json.NewDecoder(strings.NewReader(got.Body))
	decoder.DisallowUnknownFields()
	Expect(decoder.Decode(&problem)).To(Succeed(), got.Body)
	Expect(problem.Type).To(Equal("about:blank"))
	Expect(problem.Status).To(Equal(reason.Code()))
	Expect(problem.Reason).To(Equal(reason.String()))
	if header := valueOf(needs, "credential"); reason == access.Misconfigured {
		Expect(problem.Detail).To(Equal(reason.Detail()))
	} else {
		Expect(problem.Detail).To(Equal(server.Detail(reason, strings.ToLower(header))))
	}
	Expect(problem.Title).NotTo(BeEmpty())
}

// expectLogged expects that the last line of the access log is about this request, and that no line holds the key.
func expectLogged(reason access.Reason, namespace, name, key string) {
	GinkgoHelper()
	text := verifier.log.String()
	lines := strings.Split(strings.TrimSpace(text), "\n")
	var line map[string]any
	Expect(json.Unmarshal([]byte(lines[len(lines)-1]), &line)).To(Succeed())
	Expect(line).To(HaveKeyWithValue("reason", reason.String()))
	Expect(line).To(HaveKeyWithValue("method", "GET"))
	Expect(line["host"]).NotTo(BeEmpty())
	Expect(line).To(HaveKeyWithValue("path", "/customers"))
	Expect(line["latency_seconds"]).To(BeAssignableToTypeOf(0.0))
	switch reason {
	case access.Missing, access.Ambiguous, access.Malformed, access.Unknown, access.Disputed:
	case access.Misconfigured:
		Expect(line["trouble"]).NotTo(BeEmpty())
	default:
		Expect(line).To(HaveKeyWithValue("name", name))
		Expect(line).To(HaveKeyWithValue("namespace", namespace))
		Expect(line).To(HaveKeyWithValue("key", HaveLen(12)))
	}
	if key != "" {
		Expect(text).NotTo(ContainSubstring(key))
		Expect(text).NotTo(ContainSubstring(key[len(key)-43:]))
	}
}
