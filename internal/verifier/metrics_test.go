// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// verifierUser is the service account of config/verifier, before config/default renames it.
const verifierUser = "system:serviceaccount:system:verifier"

// TestMetricsAreForScrapersOnly scrapes a verifier that has the rights of config/verifier and no others.
func TestMetricsAreForScrapersOnly(t *testing.T) {
	audit, err := testkit.NewAudit(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	plane := testkit.StartFor(t, testkit.Options{APIServerArgs: audit.Args()})
	install(t, plane)
	plane.RunOperatorFor(t)
	gate := newGate(t, plane)
	admin, err := plane.Client()
	if err != nil {
		t.Fatal(err)
	}
	_, key := mintKey(t, admin, "visitor")
	v := startInstance(t, nil, "--metrics-secure=true")
	eventually(t, "ready, without a token", v.ready)

	stranger, scraper := tokenOf(t, admin, "stranger"), tokenOf(t, admin, "scraper")
	maySeeMetrics(t, admin, "scraper")
	t.Run("no token", func(t *testing.T) { v.expectScrape(t, http.StatusUnauthorized, nil) })
	t.Run("an invalid token", func(t *testing.T) {
		// Not 401: a TokenReview with an error looks to the filter like an API server that fails.
		v.expectScrape(t, http.StatusInternalServerError, bearer("nonsense"))
	})
	t.Run("a token in the header of WebSockets", func(t *testing.T) {
		v.expectScrape(t, http.StatusUnauthorized, http.Header{"Sec-Websocket-Protocol": {
			"base64url.bearer.authorization.k8s.io." + base64.RawURLEncoding.EncodeToString([]byte(scraper)) + ", v1",
		}})
	})
	t.Run("a token without the right", func(t *testing.T) { v.expectScrape(t, http.StatusForbidden, bearer(stranger)) })
	t.Run("a token with the right of the shipped role", func(t *testing.T) {
		if body := v.expectScrape(t, http.StatusOK, bearer(scraper)); !strings.Contains(body, "apikey_verifier_index_keys 1\n") {
			t.Errorf("the metrics lack the number of keys:\n%s", body)
		}
	})
	t.Run("no TLS", func(t *testing.T) {
		if code := statusOf(t.Context(), "http://"+v.metrics+"/metrics", ""); code != http.StatusBadRequest {
			t.Errorf("answered %d", code)
		}
	})
	t.Run("a flood of tokens", func(t *testing.T) { v.boundsReviews(t, audit, scraper) })
	t.Run("no API server", func(t *testing.T) {
		gate.shut()
		defer gate.open.Store(true)
		late := tokenOf(t, admin, "late") // the gate is the verifier's way, not the administrator's
		// The flood before has used up the requests with unknown tokens; these come back with time.
		eventually(t, "an unknown token is not accepted", func(ctx context.Context) bool {
			code, _ := v.scrape(ctx, t, bearer(late))

			return code == http.StatusInternalServerError
		})
		if code := v.overHTTP(t.Context(), key); code != http.StatusOK {
			t.Errorf("a request with a key is answered %d", code)
		}
		if !v.ready(t.Context()) {
			t.Error("the verifier is not ready")
		}
	})
	if err := v.stop(); err != nil { // before the test closes the gate for good
		t.Error(err)
	}
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// scrape asks for the metrics over TLS, on a connection of its own.
func (v *instance) scrape(ctx context.Context, t *testing.T, headers http.Header) (code int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+v.metrics+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = headers
	scraper := &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the certificate is self-signed
		DisableKeepAlives: true,
	}}
	response, err := scraper.Do(request)
	if err != nil {
		t.Log(err)

		return 0, ""
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}

	return response.StatusCode, string(text)
}

// expectScrape scrapes once and returns the body of the answer.
func (v *instance) expectScrape(t *testing.T, want int, headers http.Header) string {
	t.Helper()
	code, body := v.scrape(t.Context(), t, headers)
	if code != want {
		t.Errorf("answered %d %s, want %d", code, body, want)
	}

	return body
}

// boundsReviews attacks with many invalid tokens. The API server must not notice more than the limit lets through, and a scraper
// whose token was accepted must not notice the attack.
func (v *instance) boundsReviews(t *testing.T, audit *testkit.Audit, scraper string) {
	const attackers, each, burst, perSecond = 8, 50, 10, 5
	before, began := reviews(t, audit), time.Now()
	var attack sync.WaitGroup
	for a := range attackers {
		attack.Go(func() {
			for i := range each {
				if code, _ := v.scrape(t.Context(), t, bearer(fmt.Sprintf("attack-%d-%d", a, i))); code == http.StatusOK {
					t.Error("an invalid token was accepted")
				}
			}
		})
	}
	for range 20 {
		if code, body := v.scrape(t.Context(), t, bearer(scraper)); code != http.StatusOK {
			t.Errorf("the scraper got %d %s", code, body)
		}
	}
	attack.Wait()
	most := burst + perSecond*(int(time.Since(began)/time.Second)+1)
	got := reviews(t, audit) - before
	t.Logf("%d TokenReviews for %d tokens within %s", got, attackers*each, time.Since(began).Round(time.Millisecond))
	if got == 0 || got > most {
		t.Errorf("%d TokenReviews for %d tokens, want 1 to %d", got, attackers*each, most)
	}
}

// reviews returns the number of TokenReviews of the verifier so far.
func reviews(t *testing.T, audit *testkit.Audit) int {
	t.Helper()
	requests, err := audit.Requests(verifierUser)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, r := range requests {
		if r.Resource == "tokenreviews" {
			n++
		}
	}

	return n
}

// tokenOf creates a service account and returns a token for it.
func tokenOf(t *testing.T, admin client.Client, name string) string {
	t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
	if err := admin.Create(t.Context(), account); err != nil {
		t.Fatal(err)
	}
	var request authenticationv1.TokenRequest
	if err := admin.SubResource("token").Create(t.Context(), account, &request); err != nil {
		t.Fatal(err)
	}

	return request.Status.Token
}

// maySeeMetrics binds a service account to the role for scrapers, as config/rbac has it, and waits until the API server applies that:
// a verifier that asks before would remember the refusal for 30 seconds.
func maySeeMetrics(t *testing.T, admin client.Client, account string) {
	t.Helper()
	for _, role := range testkit.Manifests[rbacv1.ClusterRole](t, "config/rbac", "ClusterRole") {
		if role.Name != "metrics-reader" {
			continue
		}
		binding := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "scraper"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "default", Name: account}},
		}
		for _, object := range []client.Object{&role, binding} {
			if err := admin.Create(t.Context(), object); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "the right to scrape", func(ctx context.Context) bool {
			review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
				User:                  "system:serviceaccount:default:" + account,
				NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: "/metrics", Verb: "get"},
			}}

			return admin.Create(ctx, review) == nil && review.Status.Allowed
		})

		return
	}
	t.Fatal("config/rbac has no role for scrapers")
}

// TestMetricsShowTheMountedCertificate replaces the self-signed certificate of /metrics while a verifier runs.
func TestMetricsShowTheMountedCertificate(t *testing.T) {
	plane := testkit.StartFor(t, testkit.Options{})
	install(t, plane)
	newGate(t, plane)
	folder := t.TempDir()
	v := startInstance(t, nil, "--metrics-secure=true", "--metrics-cert-dir="+folder)
	eventually(t, "ready", v.ready)
	shown := func() []byte {
		connection, err := new(tls.Dialer).DialContext(t.Context(), "tcp", v.metrics)
		if err == nil {
			_ = connection.Close()
			t.Fatal("the certificate was verified")
		}
		dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // the test looks at the certificate itself
		connection, err = dialer.DialContext(t.Context(), "tcp", v.metrics)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = connection.Close() }()

		return connection.(*tls.Conn).ConnectionState().PeerCertificates[0].Raw //nolint:errcheck,forcetypeassert // a tls.Dialer dials TLS
	}
	first := shown()
	own := newAuthority(t).issue(t, verifierName)
	for _, name := range []string{"tls.crt", "tls.key"} {
		content, err := os.ReadFile(filepath.Join(own, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil { //nolint:gosec // G703: both folders are of the test
			t.Fatal(err)
		}
	}
	pair, err := tls.LoadX509KeyPair(own+"/tls.crt", own+"/tls.key")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(first, pair.Certificate[0]) {
		t.Fatal("the mounted certificate is shown before it is there")
	}
	eventually(t, "the mounted certificate", func(context.Context) bool { return bytes.Equal(shown(), pair.Certificate[0]) })
}
