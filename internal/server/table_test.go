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
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// The rows of the contract: what a client sends, and what it is told. Each is asked over every interface.
var _ = Describe("A request", Ordered, func() {
	var namespace string
	minted := map[string]string{}
	production := [][2]string{{"environment", "Production"}, {"permission", "customers:read"}, {"customer", "acme"}}
	with := func(needs [][2]string, name, value string) [][2]string {
		return append(append([][2]string{}, needs...), [2]string{name, value})
	}
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

	type row struct {
		key     string                       // of which APIKey the key is; empty: it is in headers, or nowhere
		headers func(key string) [][2]string // nil: X-API-Key with the key
		needs   [][2]string                  // nil: production
		later   time.Duration                // how much later it is
		reason  access.Reason
	}
	bearer := func(key string) [][2]string { return [][2]string{{"Authorization", "Bearer " + key}} }
	always := func(headers ...[2]string) func(string) [][2]string {
		return func(string) [][2]string { return headers }
	}
	named := func(header string) [][2]string { return with(production, "credential", header) }
	in := func(headers ...string) func(string) [][2]string {
		return func(key string) (all [][2]string) {
			for _, name := range headers {
				all = append(all, [2]string{name, key})
			}

			return all
		}
	}
	rows := map[string]row{
		"with a key":           {key: "full", reason: access.Allowed},
		"with a key as bearer": {key: "full", headers: bearer, reason: access.Allowed},
		"with a key as bearer, in other letters": {
			key:     "full",
			headers: func(k string) [][2]string { return [][2]string{{"AUTHORIZATION", "bEARER   " + k}} },
			reason:  access.Allowed,
		},
		"with a key that has nothing but an environment": {key: "minimal", needs: production[:1], reason: access.Allowed},
		"for a permission of a role": {
			key:    "roles",
			needs:  [][2]string{{"environment", "Production"}, {"permission", "orders:read"}},
			reason: access.Allowed,
		},
		"with a key before it expires": {key: "expiring", reason: access.Allowed},

		"without a credential":     {headers: always(), reason: access.Missing},
		"with an empty credential": {headers: always([2]string{"X-API-Key", ""}), reason: access.Missing},
		"with a key in both headers": {
			key:     "full",
			headers: func(k string) [][2]string { return append(bearer(k), [2]string{"X-API-Key", k}) },
			reason:  access.Ambiguous,
		},
		"with a password beside the key": {
			key:     "full",
			headers: func(k string) [][2]string { return [][2]string{{"X-API-Key", k}, {"Authorization", "Basic dTpw"}} },
			reason:  access.Ambiguous,
		},
		"with the header twice": {
			key:     "full",
			headers: func(k string) [][2]string { return [][2]string{{"X-API-Key", k}, {"X-API-Key", k}} },
			reason:  access.Ambiguous,
		},
		"with two keys in one header": {
			key:     "full",
			headers: func(k string) [][2]string { return [][2]string{{"X-API-Key", k + "," + k}} },
			reason:  access.Ambiguous,
		},
		"with two bearers in one header": {
			key:     "full",
			headers: func(k string) [][2]string { return [][2]string{{"Authorization", "Bearer " + k + ", Bearer " + k}} },
			reason:  access.Ambiguous,
		},
		"with an underscore look-alike": {
			key:     "full",
			headers: func(k string) [][2]string { return [][2]string{{"X_API_Key", k}} },
			reason:  access.Ambiguous,
		},
		"with a dot look-alike beside the key": {
			key:     "full",
			headers: func(k string) [][2]string { return [][2]string{{"X-API-Key", k}, {"x.api.key", k}} },
			reason:  access.Ambiguous,
		},
		"with the key under no scheme": {
			key:     "full",
			headers: func(k string) [][2]string { return [][2]string{{"Authorization", k}} },
			reason:  access.Malformed,
		},
		"with another scheme":           {headers: always([2]string{"Authorization", "Basic dTpw"}), reason: access.Malformed},
		"with a scheme alone":           {headers: always([2]string{"Authorization", "Bearer"}), reason: access.Malformed},
		"with something that is no key": {headers: always([2]string{"X-API-Key", "secret"}), reason: access.Malformed},
		"with a key and a byte more": {
			key:     "full",
			headers: func(k string) [][2]string { return [][2]string{{"X-API-Key", k + "x"}} },
			reason:  access.Malformed,
		},
		"with a key and a byte off the alphabet": {
			key:     "full",
			headers: func(k string) [][2]string { return [][2]string{{"X-API-Key", k[:20] + "\xff" + k[21:]}} },
			reason:  access.Malformed,
		},
		"with a key in other letters": {
			key:     "full",
			headers: func(k string) [][2]string { return [][2]string{{"X-API-Key", strings.ToUpper(k)}} },
			reason:  access.Malformed,
		},
		"with a key that nobody has minted": {headers: always([2]string{"X-API-Key", foreign()}), reason: access.Unknown},

		"with a key that two APIKeys claim": {key: "disputed", reason: access.Disputed},
		"with a revoked key":                {key: "revoked", reason: access.Revoked},
		"with a key that is being deleted":  {key: "deleted", reason: access.Revoked},
		"with a suspended key":              {key: "suspended", reason: access.Suspended},
		"with an expired key":               {key: "expiring", later: time.Hour + time.Minute, reason: access.Expired},
		"with a key of another environment": {key: "staging", reason: access.WrongEnvironment},
		"for a permission that the key does not have": {
			key:    "full",
			needs:  [][2]string{{"environment", "Production"}, {"permission", "orders:read"}},
			reason: access.PermissionDenied,
		},
		"for a customer that the key is not for": {
			key:    "full",
			needs:  [][2]string{{"environment", "Production"}, {"customer", "globex"}},
			reason: access.CustomerDenied,
		},

		"to an endpoint that nobody configured": {key: "full", needs: [][2]string{}, reason: access.Misconfigured},
		"to an endpoint without an environment": {key: "full", needs: production[1:], reason: access.Misconfigured},
		"to an environment that does not exist": {key: "full", needs: [][2]string{{"environment", "production"}}, reason: access.Misconfigured},
		"to an endpoint with a misspelled need": {
			key:    "full",
			needs:  with(production[:1], "permision", "customers:write"),
			reason: access.Misconfigured,
		},
		"to an endpoint with an empty need":             {key: "full", needs: with(production[:1], "permission", ""), reason: access.Misconfigured},
		"with the key in a header that was added":       {key: "full", headers: in("Api-Key"), reason: access.Allowed},
		"with the key in another header that was added": {key: "full", headers: in("X-Goog-Api-Key"), reason: access.Allowed},
		"with the key in two of the headers":            {key: "full", headers: in("Api-Key", "X-API-Key"), reason: access.Ambiguous},
		"with the key in two headers that were added":   {key: "full", headers: in("Api-Key", "X-Goog-Api-Key"), reason: access.Ambiguous},
		"with a look-alike of a header that was added":  {key: "full", headers: in("api_key"), reason: access.Ambiguous},
		"with the key in a header that nobody knows":    {key: "full", headers: in("X-My-Key"), reason: access.Missing},
		"with the key as bearer in a header for a key only": {
			key:     "full",
			headers: func(k string) [][2]string { return [][2]string{{"Api-Key", "Bearer " + k}} },
			reason:  access.Malformed,
		},

		"with the key in the header that the endpoint names": {key: "full", needs: named("x-api-key"), reason: access.Allowed},
		"with that header in other letters":                  {key: "full", needs: named("X-API-Key"), headers: in("x-aPI-kEY"), reason: access.Allowed},
		"with another credential beside the header that is named": {
			key:     "full",
			needs:   named("x-api-key"),
			headers: func(k string) [][2]string { return [][2]string{{"Authorization", "Basic dTpw"}, {"X-API-Key", k}} },
			reason:  access.Allowed,
		},
		"with another key beside the header that is named": {key: "full", needs: named("api-key"), headers: func(k string) [][2]string {
			return [][2]string{{"Authorization", "Bearer " + foreign()}, {"X-API-Key", foreign()}, {"Api-Key", k}}
		}, reason: access.Allowed},
		"with a look-alike of another header than the one named": {
			key:     "full",
			needs:   named("api-key"),
			headers: in("X_API_Key", "Api-Key"),
			reason:  access.Allowed,
		},
		"with the bearer where that is what the endpoint names": {key: "full", needs: named("authorization"), headers: func(k string) [][2]string {
			return [][2]string{{"Authorization", "Bearer " + k}, {"X-API-Key", "theirs"}}
		}, reason: access.Allowed},
		"with no scheme where the endpoint names the bearer": {
			key:     "full",
			needs:   named("authorization"),
			headers: in("Authorization"),
			reason:  access.Malformed,
		},
		"with the key in another header than the one named":    {key: "full", needs: named("api-key"), reason: access.Missing},
		"with the key as bearer where another header is named": {key: "full", needs: named("x-api-key"), headers: bearer, reason: access.Missing},
		"with the named header empty": {
			needs:   named("api-key"),
			headers: always([2]string{"Api-Key", ""}),
			reason:  access.Missing,
		},
		"with the named header twice": {
			key:     "full",
			needs:   named("api-key"),
			headers: in("Api-Key", "api-key"),
			reason:  access.Ambiguous,
		},
		"with two keys in the named header": {
			key:     "full",
			needs:   named("api-key"),
			headers: func(k string) [][2]string { return [][2]string{{"Api-Key", k + ", " + k}} },
			reason:  access.Ambiguous,
		},
		"with a look-alike of the named header": {key: "full", needs: named("api-key"), headers: in("api_key"), reason: access.Ambiguous},
		"with a look-alike beside the named header": {
			key:     "full",
			needs:   named("api-key"),
			headers: in("api-key", "API.Key"),
			reason:  access.Ambiguous,
		},
		"with an empty look-alike beside the named header": {
			key:     "full",
			needs:   named("api-key"),
			headers: func(k string) [][2]string { return [][2]string{{"Api-Key", k}, {"api_key", ""}} },
			reason:  access.Ambiguous,
		},
		"with something else in the named header": {
			key:     "full",
			needs:   named("api-key"),
			headers: func(k string) [][2]string { return [][2]string{{"Api-Key", "secret"}, {"X-API-Key", k}} },
			reason:  access.Malformed,
		},
		"with a key that nobody has minted in the named header": {
			needs:   named("api-key"),
			headers: always([2]string{"Api-Key", foreign()}),
			reason:  access.Unknown,
		},
		"to an endpoint that names a header that nobody knows": {
			key:     "full",
			needs:   named("x-my-key"),
			headers: in("X-My-Key"),
			reason:  access.Misconfigured,
		},
		"to an endpoint that names a look-alike": {
			key:     "full",
			needs:   named("x_api_key"),
			headers: in("X_API_Key"),
			reason:  access.Misconfigured,
		},
		"to an endpoint that wants the key in a cookie": {key: "full", needs: named("cookie"), headers: in("Cookie"), reason: access.Misconfigured},
		"to an endpoint that wants the key as host":     {key: "full", needs: named("host"), reason: access.Misconfigured},
		"to an endpoint that wants the key in an identity header": {
			key:     "full",
			needs:   named("x-apikey-owner"),
			headers: in("X-Apikey-Owner"),
			reason:  access.Misconfigured,
		},
		"to an endpoint that wants the key in a hop-by-hop header": {
			key:     "full",
			needs:   named("proxy-authorization"),
			headers: in("Proxy-Authorization"),
			reason:  access.Misconfigured,
		},
		"to an endpoint that names a pseudo-header": {key: "full", needs: named(":path"), reason: access.Misconfigured},
		"to an endpoint that names two headers":     {key: "full", needs: named("x-api-key,api-key"), reason: access.Misconfigured},
		"to an endpoint that names a header twice": {
			key:    "full",
			needs:  with(named("api-key"), "credential", "api-key"),
			reason: access.Misconfigured,
		},
		"to an endpoint that names no header": {key: "full", needs: named(""), reason: access.Misconfigured},

		"to an endpoint that wants one identity header":      {key: "full", needs: with(production, "identity", "id"), reason: access.Allowed},
		"to an endpoint that wants two identity headers":     {key: "full", needs: with(production, "identity", "owner,id"), reason: access.Allowed},
		"to an endpoint that wants one that the key has not": {key: "minimal", needs: with(production[:1], "identity", "owner"), reason: access.Allowed},
		"to an endpoint that wants all identity headers by name": {
			key:    "full",
			needs:  with(production, "identity", "id,name,namespace,environment,permissions,owner,customers"),
			reason: access.Allowed,
		},
		"to an endpoint that wants an identity header twice": {key: "full", needs: with(production, "identity", "id,id"), reason: access.Misconfigured},
		"to an endpoint that wants no identity header":       {key: "full", needs: with(production, "identity", ""), reason: access.Misconfigured},
		"to an endpoint that wants one that does not exist":  {key: "full", needs: with(production, "identity", "id,uid"), reason: access.Misconfigured},
		"to an endpoint that wants one by its whole name": {
			key:    "full",
			needs:  with(production, "identity", "x-apikey-id"),
			reason: access.Misconfigured,
		},
		"to an endpoint that wants one in capitals":   {key: "full", needs: with(production, "identity", "ID"), reason: access.Misconfigured},
		"to an endpoint that wants one after a space": {key: "full", needs: with(production, "identity", "id, owner"), reason: access.Misconfigured},
		"to an endpoint that wants one and a comma":   {key: "full", needs: with(production, "identity", "id,"), reason: access.Misconfigured},
		"to an endpoint that wants identity headers twice": {
			key:    "full",
			needs:  with(with(production, "identity", "id"), "identity", "owner"),
			reason: access.Misconfigured,
		},

		"to an endpoint with a need twice": {key: "full", needs: with(production, "permission", "telemetry:write"), reason: access.Misconfigured},
	}
	for sentence, r := range testkit.Sorted(rows) {
		for name, ask := range testkit.Sorted(interfaces()) {
			It(sentence+" is "+r.reason.String()+" over "+name, func(ctx SpecContext) {
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
				got := ask(verifier, ctx, q)
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
		q := question{headers: bearer(minted["limited"]), needs: production}
		for name, ask := range interfaces() {
			verifier.clock.Step(time.Hour) // the burst of 2 is there again
			for remaining := 1; remaining >= 0; remaining-- {
				got := ask(verifier, ctx, q)
				Expect(got.Code).To(Equal(200), name)
				Expect(got.Headers).To(HaveKeyWithValue("ratelimit-policy", `"default";q=60;w=60`), name)
				Expect(got.Headers["ratelimit"]).To(HavePrefix(map[int]string{1: `"default";r=1;t=1`, 0: `"default";r=0;t=1`}[remaining]), name)
			}
			got := ask(verifier, ctx, q)
			Expect(got.Code).To(Equal(429), name)
			Expect(got.Headers).To(HaveKeyWithValue("retry-after", "1"), name)
			Expect(got.Headers).To(HaveKeyWithValue("ratelimit-policy", `"default";q=60;w=60`), name)
			Expect(got.Headers).To(HaveKeyWithValue("ratelimit", `"default";r=0;t=1`), name)
			for _, header := range []string{"retry-after", "ratelimit", "ratelimit-policy"} {
				delete(got.Headers, header)
			}
			expectProblem(got, access.RateLimited, production)
			verifier.clock.Step(time.Second)
			Expect(ask(verifier, ctx, q).Code).To(Equal(200), "%s: a second later one more fits", name)
		}
	})

	It("with a burst beyond its quota is told of no more than the quota over every interface, and when there is more", func(ctx SpecContext) {
		for name, ask := range interfaces() {
			got := ask(verifier, ctx, question{headers: bearer(minted["bursty"]), needs: production})
			Expect(got.Code).To(Equal(200), name)
			Expect(got.Headers).To(HaveKeyWithValue("ratelimit-policy", `"default";q=100;w=100`), name)
			Expect(got.Headers).To(HaveKeyWithValue("ratelimit", `"default";r=100;t=1`), name)
		}
	})

	It("that is refused does not count against the rate limit", func(ctx SpecContext) {
		verifier.clock.Step(24 * time.Hour)
		refused := question{headers: bearer(minted["limited"]), needs: [][2]string{{"environment", "Production"}, {"permission", "orders:read"}}}
		for range 10 {
			Expect(verifier.askHTTP(ctx, refused).Code).To(Equal(403))
		}
		Expect(verifier.askHTTP(ctx, question{headers: bearer(minted["limited"]), needs: production}).Code).To(Equal(200))
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
