// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package dist_test

import (
	"encoding/json"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// bill has the fields of a CycloneDX SBOM that the tests look at.
type bill struct {
	BOMFormat    string
	SpecVersion  string
	SerialNumber string
	Metadata     struct {
		Timestamp  string
		Component  component
		Properties []struct{ Name, Value string }
	}
	Components []component
}

type component struct{ Name, Version, PURL string }

// checkSBOM expects an SBOM of the program with a checksum, without a time or a random number, and with the modules that are in the program.
func checkSBOM(t *testing.T, data []byte, checksum string) {
	t.Helper()
	var sbom bill
	if err := json.Unmarshal(data, &sbom); err != nil {
		t.Fatal(err)
	}
	if sbom.BOMFormat != "CycloneDX" || sbom.SpecVersion != "1.6" || sbom.SerialNumber != "" || sbom.Metadata.Timestamp != "" {
		t.Errorf("it is a %s %s with serial number %q of %q", sbom.BOMFormat, sbom.SpecVersion, sbom.SerialNumber, sbom.Metadata.Timestamp)
	}
	if got := sbom.Metadata.Component; got.Name != "github.com/apikey-operator/apikey-operator" || got.Version != version {
		t.Errorf("it is about %s %s", got.Name, got.Version)
	}
	named := false
	for _, property := range sbom.Metadata.Properties {
		named = named || strings.HasSuffix(property.Name, ":SHA-256") && property.Value == checksum
	}
	if !named {
		t.Errorf("it has no SHA-256 %s: %v", checksum, sbom.Metadata.Properties)
	}
	for module, want := range map[string]bool{
		"k8s.io/client-go": true, "std": true, "github.com/onsi/ginkgo/v2": false, "github.com/chromedp/chromedp": false,
	} {
		if found := slices.ContainsFunc(sbom.Components, func(c component) bool { return c.Name == module }); found != want {
			t.Errorf("it has module %s: %t", module, found)
		}
	}
	standard := slices.IndexFunc(sbom.Components, func(c component) bool { return c.Name == "std" })
	if standard >= 0 && !strings.HasSuffix(runtime.Version(), strings.TrimPrefix(sbom.Components[standard].Version, "v")) {
		t.Errorf("its standard library is of %s, and the compiler of %s", sbom.Components[standard].Version, runtime.Version())
	}
}
