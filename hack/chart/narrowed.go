// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// component is what config/components/namespaces does to ClusterRoles.
type component struct {
	Patches []struct {
		Target struct {
			Kind string `json:"kind"`
			Name string `json:"name"`
		} `json:"target"`
		Patch string `json:"patch"`
	} `json:"patches"`
}

// replacement is the only operation of its patches.
type replacement struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// narrowedRules returns the rules that ClusterRoles keep where the programs watch only some namespaces, by the end of their name.
func narrowedRules(config string) (map[string]string, error) {
	file := filepath.Join(config, "components", "namespaces", "kustomization.yaml")
	data, err := os.ReadFile(file) //nolint:gosec // G703: a file of the repository
	if err != nil {
		return nil, err
	}
	var c component
	if err := yaml.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	rules := map[string]string{}
	for _, patch := range c.Patches {
		var operations []replacement
		if err := yaml.UnmarshalStrict([]byte(patch.Patch), &operations); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if patch.Target.Kind != "ClusterRole" || len(operations) != 1 || operations[0].Op != "replace" || operations[0].Path != "/rules" {
			return nil, fmt.Errorf("%s: the patch of %s %s does more than to replace /rules of a ClusterRole",
				file, patch.Target.Kind, patch.Target.Name)
		}
		text, err := yaml.Marshal(operations[0].Value)
		if err != nil {
			return nil, err
		}
		rules[strings.TrimPrefix(patch.Target.Name, ".*")] = string(text)
	}

	return rules, nil
}

// withNarrowedRules adds to the template of a ClusterRole the rules that it has instead where the programs watch only some namespaces.
func withNarrowedRules(text string, object map[string]any, narrowed map[string]string) string {
	metadata, _ := object["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	rules, there := narrowed[strings.TrimPrefix(name, prefixMark)]
	before, all, found := strings.Cut(text, "rules:\n")
	if object["kind"] != "ClusterRole" || !there || !found {
		return text
	}

	return before + "rules:\n{{- if .Values.namespaces }}\n" + rules + "{{- else }}\n" + all + "{{- end }}\n"
}
