// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/meta/testrestmapper"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/internal/controller"
	"github.com/apikey-operator/apikey-operator/internal/testkit"
)

// TestEverySeriesIsThereFromTheStart looks at an operator that has not started yet.
func TestEverySeriesIsThereFromTheStart(t *testing.T) {
	mgr, err := ctrl.NewManager(&rest.Config{Host: "http://127.0.0.1:1"}, ctrl.Options{
		Scheme: testkit.Scheme(), Cache: controller.CacheOptions(), Client: controller.ClientOptions(),
		Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
		MapperProvider: func(*rest.Config, *http.Client) (meta.RESTMapper, error) {
			return testrestmapper.TestOnlyStaticRESTMapper(testkit.Scheme()), nil // nothing answers at that address
		},
		Controller: config.Controller{SkipNameValidation: new(true)},
	})
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	if err := controller.Setup(mgr, controller.Options{Concurrency: 1, Clock: clock.RealClock{}, Registerer: registry, RequireGuardrails: true}); err != nil {
		t.Fatal(err)
	}
	environments := enumOf(t, "spec", "environment")
	wrong, err := testkit.WrongSeries(registry, "apikey_", map[string][]testkit.Series{
		"apikey_operator_keys_minted_total": testkit.AllSeries(map[string][]string{"trigger": enumOf(t, "status", "lastRotation", "trigger")}),
		"apikey_operator_apikeys":           testkit.AllSeries(map[string][]string{"environment": environments, "phase": enumOf(t, "status", "phase")}),
		"apikey_operator_apikeys_expiring":  testkit.AllSeries(map[string][]string{"environment": environments, "within": {"24h", "168h", "720h"}}),
		"apikey_operator_apikeys_expiring_soon": testkit.AllSeries(map[string][]string{
			"environment": environments, "within": {"24h", "168h", "720h"},
		}),
		"apikey_operator_apikeys_unused": testkit.AllSeries(map[string][]string{"environment": environments, "period": {"720h", "2160h"}}),
		"apikey_operator_apikeys_not_ready": testkit.AllSeries(map[string][]string{"reason": {
			"SecretConflict", "SecretTerminating", "Disputed", "PolicyDenied", "GuardrailsMissing", "RequestRefused", "RequestFailed", "NotClaimed",
		}}),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, sentence := range wrong {
		t.Error(sentence)
	}
}

// enumOf returns the values that the schema of an APIKey allows for a field.
func enumOf(t *testing.T, path ...string) []string {
	t.Helper()
	root, err := testkit.Root()
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join(root, "config", "crd", "bases", "apikey-operator.io_apikeys.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(file, &crd); err != nil {
		t.Fatal(err)
	}
	field := *crd.Spec.Versions[0].Schema.OpenAPIV3Schema
	for _, name := range path {
		field = field.Properties[name]
	}
	values := make([]string, len(field.Enum))
	for i, value := range field.Enum {
		if err := yaml.Unmarshal(value.Raw, &values[i]); err != nil {
			t.Fatal(err)
		}
	}
	if len(values) == 0 {
		t.Fatalf("the schema lists no values of %v", path)
	}

	return values
}
