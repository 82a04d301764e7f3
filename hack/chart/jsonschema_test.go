// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The definitions of an API server that need more than their schema says.
const (
	definitionsPrefix = "#/definitions/"
	objectMeta        = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
	quantity          = "io.k8s.apimachinery.pkg.api.resource.Quantity"
)

// schemas returns a JSON schema for each kind in the OpenAPI of an API server and in CRDs, under the name of its file. No schema lets an
// object have a field that it does not name.
func schemas(t *testing.T, openAPI []byte, crds []*unstructured.Unstructured) map[string]any {
	t.Helper()
	var document struct {
		Definitions map[string]map[string]any
	}
	if err := json.Unmarshal(openAPI, &document); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]any{}
	for name, definition := range document.Definitions {
		versions, _ := definition["x-kubernetes-group-version-kind"].([]any)
		closed(definition)
		for _, version := range versions {
			gvk, _ := version.(map[string]any)
			kinds[schemaFile(gvk["group"], gvk["version"], gvk["kind"])] = map[string]any{"$ref": definitionsPrefix + name}
		}
	}
	document.Definitions[quantity] = map[string]any{"type": []any{"string", "number"}}
	for _, crd := range crds {
		spec, _ := crd.Object["spec"].(map[string]any)
		versions, _ := spec["versions"].([]any)
		kind, _, _ := unstructured.NestedFieldNoCopy(spec, "names", "kind")
		for _, version := range versions {
			fields, _ := version.(map[string]any)
			schema, _, err := unstructured.NestedMap(fields, "schema", "openAPIV3Schema")
			if err != nil {
				t.Fatal(err)
			}
			properties, named := schema["properties"].(map[string]any)
			if !named {
				properties = map[string]any{}
				schema["properties"] = properties
			}
			properties["metadata"] = map[string]any{"$ref": definitionsPrefix + objectMeta}
			properties["apiVersion"] = map[string]any{"type": "string"}
			properties["kind"] = map[string]any{"type": "string"}
			closed(schema)
			kinds[schemaFile(spec["group"], fields["name"], kind)] = schema
		}
	}
	for name, kind := range kinds {
		schema, _ := kind.(map[string]any)
		definitions := map[string]any{}
		addReferred(definitions, document.Definitions, schema)
		complete := maps.Clone(schema)
		complete["definitions"] = definitions
		complete["$schema"] = "http://json-schema.org/draft-07/schema#"
		if reference, alone := complete["$ref"]; alone { // beside $ref draft 7 sees nothing
			delete(complete, "$ref")
			complete["allOf"] = []any{map[string]any{"$ref": reference}}
		}
		kinds[name] = complete
	}

	return kinds
}

// schemaFile returns the name by which kubeconform finds the schema of a kind. It takes the version for the group of kinds that have none.
func schemaFile(group, version, kind any) string {
	text := func(value any) string {
		s, _ := value.(string)

		return s
	}

	if group == "" {
		group = version
	}

	return text(group) + "_" + text(version) + "_" + strings.ToLower(text(kind)) + ".json"
}

// closed changes a schema and all below it: objects have no other fields than it names, and numbers may stand where Kubernetes takes both
// numbers and texts.
func closed(schema map[string]any) {
	properties, named := schema["properties"].(map[string]any)
	_, open := schema["additionalProperties"]
	if preserves, _ := schema["x-kubernetes-preserve-unknown-fields"].(bool); named && !open && !preserves {
		schema["additionalProperties"] = false
	}
	if either, _ := schema["x-kubernetes-int-or-string"].(bool); either || schema["format"] == "int-or-string" {
		schema["type"] = []any{"string", "integer"}
		delete(schema, "format")
	}
	for _, property := range properties {
		if below, ok := property.(map[string]any); ok {
			closed(below)
		}
	}
	for _, word := range []string{"items", "additionalProperties"} {
		if below, ok := schema[word].(map[string]any); ok {
			closed(below)
		}
	}
}

// addReferred adds the definitions that a schema refers to, and those that they refer to.
func addReferred(to map[string]any, all map[string]map[string]any, schema any) {
	switch value := schema.(type) {
	case map[string]any:
		if reference, ok := value["$ref"].(string); ok {
			name := strings.TrimPrefix(reference, definitionsPrefix)
			if _, there := to[name]; !there {
				to[name] = all[name]
				addReferred(to, all, all[name])
			}
		}
		for _, below := range value {
			addReferred(to, all, below)
		}
	case []any:
		for _, below := range value {
			addReferred(to, all, below)
		}
	}
}
