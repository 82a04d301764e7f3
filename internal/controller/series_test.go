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
	wrong, err := testkit.WrongSeries(registry, "apikey_", map[string][]testkit.Series{
		"apikey_operator_keys_minted_total": testkit.AllSeries(map[string][]string{"trigger": triggers(t)}),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, sentence := range wrong {
		t.Error(sentence)
	}
}

// triggers are the values that the schema allows.
func triggers(t *testing.T) []string {
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
	status := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["status"]
	enum := status.Properties["lastRotation"].Properties["trigger"].Enum
	values := make([]string, len(enum))
	for i, value := range enum {
		if err := yaml.Unmarshal(value.Raw, &values[i]); err != nil {
			t.Fatal(err)
		}
	}
	if len(values) == 0 {
		t.Fatal("the schema lists no triggers")
	}

	return values
}
