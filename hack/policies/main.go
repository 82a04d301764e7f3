// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command policies writes the guardrails of internal/guardrails to a folder, a file for each. `make manifests` runs it.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/apikey-operator/apikey-operator/internal/guardrails"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "policies:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("got %d arguments, want one: the folder to write to, such as config/policy", len(args))
	}
	// config/default replaces these variables by the accounts of the deployment.
	all := guardrails.All(
		guardrails.ServiceAccount{Namespace: "$(APIKEY_OPERATOR_NAMESPACE)", Name: "$(APIKEY_OPERATOR_NAME)"},
		guardrails.ServiceAccount{Namespace: "$(APIKEY_VERIFIER_NAMESPACE)", Name: "$(APIKEY_VERIFIER_NAME)"})
	for _, guardrail := range all {
		file, err := render(guardrail)
		if err != nil {
			return fmt.Errorf("render %s: %w", guardrail.Name, err)
		}
		//nolint:gosec // G306: files of the source tree are readable by all users
		if err := os.WriteFile(filepath.Join(args[0], guardrail.Name+".yaml"), file, 0o644); err != nil {
			return err
		}
	}

	return nil
}

// render returns the file of a guardrail.
func render(guardrail guardrails.Guardrail) ([]byte, error) {
	var file bytes.Buffer
	fmt.Fprintf(&file, "# %s\n# Written by `make manifests` from internal/guardrails/%s.go: change it there.\n",
		guardrail.Policy.Annotations[guardrails.DescriptionAnnotation], guardrail.Name)
	for _, object := range []any{guardrail.Policy, guardrail.Binding} {
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			return nil, err
		}
		delete(fields, "status") // the API server's
		document, err := yaml.Marshal(fields)
		if err != nil {
			return nil, err
		}
		file.WriteString("---\n")
		file.Write(document)
	}

	return file.Bytes(), nil
}
