// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	authzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3" // named in the sample
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3" // named in the sample
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/internal/server"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

const (
	extAuthz     = "envoy.filters.http.ext_authz"
	unspecified  = "context_extensions say nothing"
	authzCluster = "apikey-verifier"
)

// TestEnvoySample checks envoy.yaml as far as that goes without Envoy: with Envoy's own definitions, fields that do not
// exist refused and their rules applied.
func TestEnvoySample(t *testing.T) {
	bootstrap := readBootstrap(t)
	manager := unpack[*hcmv3.HttpConnectionManager](t, bootstrap.GetStaticResources().GetListeners()[0].GetFilterChains()[0].GetFilters()[0].GetTypedConfig())
	authz := unpack[*authzv3.ExtAuthz](t, manager.GetHttpFilters()[0].GetTypedConfig())

	for what, ok := range map[string]bool{
		"it is the first filter, so nothing acts on a request before": manager.GetHttpFilters()[0].GetName() == extAuthz && len(manager.GetHttpFilters()) == 2,
		"without an answer of the verifier it refuses":                !authz.GetFailureModeAllow() && authz.GetFilterEnabled() == nil,
		"a failure is not told as 403":                                authz.GetStatusOnError().GetCode() == 503,
		"it asks over gRPC, version 3": authz.GetGrpcService().GetEnvoyGrpc().GetClusterName() == authzCluster &&
			authz.GetTransportApiVersion() == corev3.ApiVersion_V3,
		"the verifier may take a second":                          authz.GetGrpcService().GetTimeout().GetSeconds() == 1,
		"no body and no certificate of the client goes along":     authz.GetWithRequestBody() == nil && !authz.GetIncludePeerCertificate(),
		"the route is not chosen again by what the verifier sets": !authz.GetClearRouteCache(),
		"names with underscores are refused": manager.GetCommonHttpProtocolOptions().GetHeadersWithUnderscoresAction() ==
			corev3.HttpProtocolOptions_REJECT_REQUEST,
		"paths are normal before a route is chosen":           manager.GetNormalizePath().GetValue() && manager.GetMergeSlashes(),
		"a path that could be read as another one is refused": manager.GetPathWithEscapedSlashesAction() == hcmv3.HttpConnectionManager_REJECT_REQUEST,
	} {
		if !ok {
			t.Errorf("not so: %s", what)
		}
	}
	checkRoutes(t, manager.GetRouteConfig().GetVirtualHosts()[0].GetRoutes())
	checkAllowedHeaders(t, authz.GetAllowedHeaders().GetPatterns())
	checkVerifierCluster(t, bootstrap)
}

// readBootstrap reads the sample as Envoy does.
func readBootstrap(t *testing.T) *bootstrapv3.Bootstrap {
	t.Helper()
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, samples, "envoy.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	json, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		t.Fatal(err)
	}
	bootstrap := &bootstrapv3.Bootstrap{}
	if err := protojson.Unmarshal(json, bootstrap); err != nil {
		t.Fatal(err)
	}
	if err := bootstrap.ValidateAll(); err != nil {
		t.Fatal(err)
	}

	return bootstrap
}

// validated is a message with the rules that Envoy checks on start-up.
type validated interface {
	proto.Message
	ValidateAll() error
}

// unpack is the configuration of an extension.
func unpack[M validated](t *testing.T, packed *anypb.Any) M {
	t.Helper()
	message, err := packed.UnmarshalNew()
	if err != nil {
		t.Fatal(err)
	}
	m, ok := message.(M)
	if !ok {
		t.Fatalf("it is a %T, want a %T", message, m)
	}
	if err := m.ValidateAll(); err != nil {
		t.Fatal(err)
	}

	return m
}

// checkRoutes checks that every route to the API says what it needs, and that only others go without being asked about.
func checkRoutes(t *testing.T, routes []*routev3.Route) {
	t.Helper()
	got := map[string]string{}
	for _, route := range routes {
		settings := unpack[*authzv3.ExtAuthzPerRoute](t, route.GetTypedPerFilterConfig()[extAuthz])
		needs := settings.GetCheckSettings().GetContextExtensions()
		said := needs[server.NeedEnvironment] + " " + needs[server.NeedPermission]
		switch {
		case route.GetRoute() != nil && (settings.GetDisabled() || len(needs) != 2):
			said = unspecified
		case route.GetRoute() == nil:
			said = "answered here"
		}
		got[route.GetMatch().GetPathSeparatedPrefix()+route.GetMatch().GetPrefix()] = said
	}
	want := map[string]string{"/customers": "Production customers:read", "/": "answered here"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
}

// checkAllowedHeaders checks that the verifier sees all that it has to look at, and nothing else.
func checkAllowedHeaders(t *testing.T, patterns []*matcherv3.StringMatcher) {
	t.Helper()
	matches := func(name string) bool {
		for _, pattern := range patterns {
			if pattern.GetExact() == name || regexp.MustCompile("^(?:"+pattern.GetSafeRegex().GetRegex()+")$").MatchString(name) {
				return true
			}
		}

		return false
	}
	seen := []string{server.HeaderAuthorization, server.HeaderAPIKey, "x~api~key", "x!apikey!id", "x.apikey-owner"}
	for _, name := range append([]string{server.HeaderAPIKey}, identityHeaders...) {
		seen = append(append(seen, name), server.LookAlikes(name)...)
	}
	for _, name := range seen {
		if !matches(name) {
			t.Errorf("the verifier does not get to see %q", name)
		}
	}
	for _, name := range []string{"cookie", ":path", "x-api", "x-apikeys", "proxy-authorization", "accept", "xxapikey-id"} {
		if matches(name) {
			t.Errorf("the verifier gets to see %q", name)
		}
	}
}

// checkVerifierCluster checks that the verifier is asked over HTTP/2 with TLS, and has to show whose it is.
func checkVerifierCluster(t *testing.T, bootstrap *bootstrapv3.Bootstrap) {
	t.Helper()
	for _, cluster := range bootstrap.GetStaticResources().GetClusters() {
		if cluster.GetName() != authzCluster {
			continue
		}
		tls := unpack[*tlsv3.UpstreamTlsContext](t, cluster.GetTransportSocket().GetTypedConfig())
		validation := tls.GetCommonTlsContext().GetValidationContext()
		address := cluster.GetLoadAssignment().GetEndpoints()[0].GetLbEndpoints()[0].GetEndpoint().GetAddress().GetSocketAddress()
		for what, ok := range map[string]bool{
			"it is the verifier's gRPC port": address.GetAddress() == verifierName && address.GetPortValue() == 9001,
			"it asks for the right name":     tls.GetSni() == verifierName,
			"it trusts one authority":        validation.GetTrustedCa().GetFilename() != "",
			"it wants a certificate for that name": len(validation.GetMatchTypedSubjectAltNames()) == 1 &&
				validation.GetMatchTypedSubjectAltNames()[0].GetMatcher().GetExact() == verifierName,
			"it speaks HTTP/2": len(cluster.GetTypedExtensionProtocolOptions()) == 1 && cmp.Equal(tls.GetCommonTlsContext().GetAlpnProtocols(), []string{"h2"}),
		} {
			if !ok {
				t.Errorf("not so: %s", what)
			}
		}

		return
	}
	t.Errorf("there is no cluster %s", authzCluster)
}
