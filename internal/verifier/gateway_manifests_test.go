// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package verifier_test

import (
	"bytes"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// What the tests look at in manifests for gateways that cannot run here.
type (
	istioOperator struct {
		Spec struct {
			MeshConfig struct {
				ExtensionProviders []struct {
					EnvoyExtAuthzHTTP struct {
						Service                      string   `json:"service"`
						Port                         int      `json:"port"`
						PathPrefix                   string   `json:"pathPrefix"`
						FailOpen                     bool     `json:"failOpen"`
						IncludeRequestHeadersInCheck []string `json:"includeRequestHeadersInCheck"`
						HeadersToUpstreamOnAllow     []string `json:"headersToUpstreamOnAllow"`
					} `json:"envoyExtAuthzHttp"`
				} `json:"extensionProviders"`
			} `json:"meshConfig"`
		} `json:"spec"`
	}
	httpRoute struct {
		Spec struct {
			Rules []struct {
				Filters []struct {
					Type         string `json:"type"`
					ExternalAuth struct {
						HTTP struct {
							Path                   string   `json:"path"`
							AllowedHeaders         []string `json:"allowedHeaders"`
							AllowedResponseHeaders []string `json:"allowedResponseHeaders"`
						} `json:"http"`
					} `json:"externalAuth"`
					RequestHeaderModifier struct {
						Remove []string `json:"remove"`
					} `json:"requestHeaderModifier"`
				} `json:"filters"`
			} `json:"rules"`
		} `json:"spec"`
	}
	certificateRequest struct {
		Spec struct {
			SecretName string   `json:"secretName"`
			DNSNames   []string `json:"dnsNames"`
		} `json:"spec"`
	}
	securityPolicy struct {
		Spec struct {
			ExtAuth struct {
				FailOpen          bool     `json:"failOpen"`
				HeadersToExtAuth  []string `json:"headersToExtAuth"`
				ContextExtensions []struct {
					Name  string `json:"name"`
					Type  string `json:"type"`
					Value string `json:"value"`
				} `json:"contextExtensions"`
			} `json:"extAuth"`
		} `json:"spec"`
	}
)

// document is the first object of a kind in a sample.
func document[T any](t *testing.T, file, kind string) T {
	t.Helper()
	found := documents[T](t, file, kind)
	if len(found) == 0 {
		t.Fatalf("%s has no %s", file, kind)
	}

	return found[0]
}

// documents are all objects of a kind in a sample. Everything in it has to be YAML without a key twice.
func documents[T any](t *testing.T, file, kind string) (found []T) {
	t.Helper()
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, samples, file))
	if err != nil {
		t.Fatal(err)
	}
	for part := range bytes.SplitSeq(text, []byte("\n---\n")) {
		var is struct {
			Kind string `json:"kind"`
		}
		json, err := yaml.YAMLToJSONStrict(part)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(json, &is); err != nil {
			t.Fatal(err)
		}
		if is.Kind != kind {
			continue
		}
		var object T
		if err := yaml.Unmarshal(json, &object); err != nil {
			t.Fatal(err)
		}
		found = append(found, object)
	}

	return found
}

// understandsManifests puts to the verifier what gateways would by the samples that cannot run here: what they name is
// understood, and needs the key that they say it does.
func (s *site) understandsManifests(t *testing.T) {
	const own = "/customers/7?environment=Staging&permission=none" // the client's, which decides nothing
	provider := document[istioOperator](t, "istio.yaml", "IstioOperator").Spec.MeshConfig.ExtensionProviders[0].EnvoyExtAuthzHTTP
	filters := document[httpRoute](t, "gateway-api.yaml", "HTTPRoute").Spec.Rules[0].Filters
	context := url.Values{}
	for _, extension := range document[securityPolicy](t, "envoy-gateway.yaml", "SecurityPolicy").Spec.ExtAuth.ContextExtensions {
		context.Set(extension.Name, extension.Value)
	}
	for name, uri := range map[string]string{
		"istio.yaml":         provider.PathPrefix + own,
		"gateway-api.yaml":   filters[0].ExternalAuth.HTTP.Path + own,
		"envoy-gateway.yaml": "/verify?" + context.Encode(),
	} {
		t.Run(name, func(t *testing.T) {
			got := map[string]int{}
			for _, key := range []string{"reader", "writer", "staging", ""} {
				got[key], _ = s.ask(t.Context(), t, uri, s.keys[key])
			}
			want := map[string]int{"reader": http.StatusOK, "writer": http.StatusForbidden, "staging": http.StatusUnauthorized, "": http.StatusUnauthorized}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("answers by key (-want +got):\n%s", diff)
			}
		})
	}
}

// TestManifests checks in the samples that cannot run here what decides whether a client can be somebody else.
func TestManifests(t *testing.T) {
	provider := document[istioOperator](t, "istio.yaml", "IstioOperator").Spec.MeshConfig.ExtensionProviders[0].EnvoyExtAuthzHTTP
	filters := document[httpRoute](t, "gateway-api.yaml", "HTTPRoute").Spec.Rules[0].Filters
	policy := document[securityPolicy](t, "envoy-gateway.yaml", "SecurityPolicy").Spec.ExtAuth
	for name, list := range map[string][]string{
		"istio.yaml": provider.HeadersToUpstreamOnAllow, "gateway-api.yaml": filters[0].ExternalAuth.HTTP.AllowedResponseHeaders,
	} {
		if diff := cmp.Diff(identityHeaders, lower(list)); diff != "" {
			t.Errorf("%s: headers that the API gets (-want +got):\n%s", name, diff)
		}
	}
	// The pattern is that of the field in the CRD of Gateway API.
	path := regexp.MustCompile(`^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$`)
	credentials := []string{"authorization", "x-api-key"}
	for what, ok := range map[string]bool{
		"Istio refuses without an answer":              provider.Service == verifierName+".cluster.local" && provider.Port == 9002 && !provider.FailOpen,
		"Istio shows both places for a key":            cmp.Equal(credentials, provider.IncludeRequestHeadersInCheck),
		"Gateway API takes the path":                   path.MatchString(filters[0].ExternalAuth.HTTP.Path),
		"Gateway API asks before it takes the key off": filters[0].Type == "ExternalAuth" && cmp.Equal(credentials, filters[1].RequestHeaderModifier.Remove),
		"Gateway API shows both places for a key":      cmp.Equal([]string{"x-api-key"}, filters[0].ExternalAuth.HTTP.AllowedHeaders),
		"Envoy Gateway refuses without an answer":      !policy.FailOpen,
		"Envoy Gateway shows all headers":              len(policy.HeadersToExtAuth) == 0,
		"Envoy Gateway takes the context as it is there": len(policy.ContextExtensions) == 2 && policy.ContextExtensions[0].Type == "Value" &&
			policy.ContextExtensions[1].Type == "Value",
	} {
		if !ok {
			t.Errorf("not so: %s", what)
		}
	}
}

// TestVerifierCertificate checks that the certificate that users are told to ask for is the one that gateways are told to
// want, and that the Deployment mounts.
func TestVerifierCertificate(t *testing.T) {
	const mounted = "apikey-operator-verifier-tls" // TestDeployment checks it
	for _, request := range documents[certificateRequest](t, "verifier-certificate.yaml", "Certificate") {
		if request.Spec.SecretName == mounted && slices.Contains(request.Spec.DNSNames, verifierName) {
			return
		}
	}
	t.Errorf("nobody asks for a certificate for %s in the Secret %s", verifierName, mounted)
}

func lower(names []string) []string {
	return strings.Split(strings.ToLower(strings.Join(names, "\n")), "\n")
}
