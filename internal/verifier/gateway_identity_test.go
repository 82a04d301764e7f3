// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

// largest is the APIKey with the largest identity that the API allows: every list is full and every text as long as it may be.
var largest = client.ObjectKey{Namespace: strings.Repeat("s", 63), Name: strings.Repeat("n", 253)}

// numbered returns n different texts of one length.
func numbered[T ~string](n int, prefix string, length int) []T {
	list := make([]T, n)
	for i := range list {
		list[i] = T(prefix + fmt.Sprintf("%0*d", length-len(prefix), i))
	}

	return list
}

// createLargest creates the APIKey with its namespace and its roles, and waits until the verifier knows the key and the roles.
func (s *site) createLargest(t *testing.T, admin client.Client) {
	t.Helper()
	roles := numbered[v1alpha1.RoleName](8, "role-", 63)
	objects := []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: largest.Namespace}}}
	for i, role := range roles {
		objects = append(objects, &v1alpha1.APIKeyRole{
			ObjectMeta: metav1.ObjectMeta{Name: string(role)},
			Spec:       v1alpha1.APIKeyRoleSpec{Permissions: numbered[v1alpha1.Permission](64, fmt.Sprintf("role%d:", i), 64)},
		})
	}
	objects = append(objects, &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: largest.Namespace, Name: largest.Name},
		Spec: v1alpha1.APIKeySpec{
			Environment: v1alpha1.EnvironmentProduction,
			Permissions: append(numbered[v1alpha1.Permission](15, "own:", 64), "customers:read"),
			Roles:       roles,
			Customers:   numbered[v1alpha1.Customer](32, "customer-", 63),
			Owner:       strings.Repeat("o", 253),
			RateLimit:   &v1alpha1.RateLimit{Requests: 1_000_000, Per: "24h", Burst: 1_000_000},
		},
	})
	for _, object := range objects {
		if err := admin.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	s.learn(t, admin, "largest", largest)
	eventually(t, "the verifier knows every role", func(ctx context.Context) bool {
		_, header := s.ask(ctx, t, "/verify?environment=Production&permission=customers:read", s.keys["largest"])

		return len(header.Get("X-Apikey-Permissions")) > 4000
	})
}

// large are requests with the key of the largest identity. Gateways may refuse those that are not for all; any that gets
// to the API has the whole identity.
var large = map[string]struct {
	request string
	passes  bool
}{
	"a plain one":               {get("X-API-Key: {key}"), true},
	"a POST of 20 kB":           {post("X-API-Key: {key}", "Content-Length: 20000", "", strings.Repeat("b", 20_000)), true},
	"a POST of 20 kB in chunks": {post("X-API-Key: {key}", "Transfer-Encoding: chunked", "", "4e20", strings.Repeat("b", 20_000), "0", ""), true},
	"a header of 14,000 bytes":  {get("X-API-Key: {key}", "X-Long: "+strings.Repeat("h", 14_000)), true},
	"a query of 14,000 bytes":   {request("GET /customers?q="+strings.Repeat("q", 14_000)+" HTTP/1.1", "X-API-Key: {key}"), true},
	"60 headers of 200 bytes":   {get(append([]string{"X-API-Key: {key}"}, manyHeaders(60, 200)...)...), false},
	"both, in a POST": {
		post("X-API-Key: {key}", "X-Long: "+strings.Repeat("h", 14_000), "Content-Length: 20000", "", strings.Repeat("b", 20_000)),
		true,
	},
	"80 headers of the client":  {get(append([]string{"X-API-Key: {key}"}, manyHeaders(80, 100)...)...), true},
	"120 headers of the client": {get(append([]string{"X-API-Key: {key}"}, manyHeaders(120, 100)...)...), false},
	"a header and a forged identity": {
		get("X-API-Key: {key}", "X-Long: "+strings.Repeat("h", 14_000), "x-apikey-customers: evil", "x-apikey-owner: evil"),
		true,
	},
	"a forged identity of 14,000 bytes": {get("X-API-Key: {key}", "x-apikey-customers: "+strings.Repeat("e", 14_000)), true},
	"look-alikes of 14,000 bytes": {
		get("X-API-Key: {key}", "x_apikey_customers: "+strings.Repeat("e", 7000), "x.apikey.owner: "+strings.Repeat("e", 7000)),
		true,
	},
	"a header of 15,500 bytes":     {get("X-API-Key: {key}", "X-Long: "+strings.Repeat("h", 15_500)), false},
	"a header of 20,000 bytes":     {get("X-API-Key: {key}", "X-Long: "+strings.Repeat("h", 20_000)), false},
	"a header of 24,200 bytes":     {get("X-API-Key: {key}", "X-Long: "+strings.Repeat("h", 24_200)), false},
	"a header of 24,350 bytes":     {get("X-API-Key: {key}", "X-Long: "+strings.Repeat("h", 24_350)), false},
	"a header of 40,000 bytes":     {get("X-API-Key: {key}", "X-Long: "+strings.Repeat("h", 40_000)), false},
	"five headers of 15,000 bytes": {get(append([]string{"X-API-Key: {key}"}, manyHeaders(5, 15_000)...)...), false},
	"a path of 14,000 bytes":       {request("GET /customers/"+strings.Repeat("p", 14_000)+" HTTP/1.1", "X-API-Key: {key}"), true},
	"a path of 24,000 bytes":       {request("GET /customers/"+strings.Repeat("p", 24_000)+" HTTP/1.1", "X-API-Key: {key}"), false},
	"identity headers 90 times, forged": {
		get(append([]string{"X-API-Key: {key}"}, repeated(90, "x-apikey-customers: "+strings.Repeat("e", 150))...)...),
		false,
	},
	"a Connection header that names one": {get("X-API-Key: {key}", "X-Long: "+strings.Repeat("h", 13_000), "Connection: x-apikey-customers"), true},
}

// manyHeaders are n headers with different names and values of this length.
func manyHeaders(n, length int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf("X-Client-%d: %s", i, strings.Repeat("m", length))
	}

	return lines
}

func repeated(n int, line string) []string { return slices.Repeat([]string{line}, n) }

// handsOnLargest checks that the API reads all that the verifier says about a key, however large both this and the request are.
func (s *site) handsOnLargest(t *testing.T, p program) {
	v := p.variant(t, "hands on the largest identity")
	t.Run("as the sample is", func(t *testing.T) { s.handsOn(t, startGateway(t, p, s.address, s.ca, nil), false) })
	if v.cramped != nil {
		t.Run("with buffers that are too small", func(t *testing.T) { s.handsOn(t, startGateway(t, p, s.address, s.ca, v.cramped), true) })
	}
}

// handsOn sends the large requests to a gateway. A cramped one may refuse any, and has to refuse some because of the identity.
func (s *site) handsOn(t *testing.T, g *gateway, cramped bool) {
	t.Helper()
	key, reasons := s.keys["largest"], map[string]int{}
	for sentence, c := range large {
		g.api.take()
		answer := exchange(t, g.address, strings.ReplaceAll(c.request, "{key}", key))
		calls := g.api.take()
		if answer.status != http.StatusOK {
			reasons[answer.header.Get("X-Apikey-Reason")]++
		}
		switch {
		case c.passes && !cramped && (answer.status != http.StatusOK || len(calls) != 1):
			t.Errorf("%s is answered %d, and the API got %d requests; it said %q", sentence, answer.status, len(calls), answer.body)
		case answer.status == http.StatusOK && len(calls) != 1, answer.status != http.StatusOK && len(calls) > 0:
			t.Errorf("%s is answered %d, and the API got %d requests", sentence, answer.status, len(calls))
		case cramped && answer.status/100 == 5:
			answer.is(t, http.StatusServiceUnavailable, answer.header.Get("X-Apikey-Reason"))
		}
		for _, call := range calls {
			s.isOf(t, call, key)
		}
	}
	delete(reasons, "")
	if cramped && len(reasons) == 0 {
		t.Error("the buffers were large enough for everything")
	} else if !cramped && len(reasons) > 0 {
		t.Errorf("requests are refused because of what is said about their key: %v", slices.Sorted(maps.Keys(reasons)))
	}
}
