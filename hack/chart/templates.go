// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// What Helm inserts.
const (
	prefix    = `{{ include "apikey-operator.fullname" . }}-`
	namespace = `{{ .Release.Namespace }}`
	labels    = `    {{- include "apikey-operator.labels" . | nindent 4 }}` + "\n"
)

// template is a file of config/chart/templates.
type template struct {
	file string
	// sources are patterns below the folder of the manifests.
	sources []string
	// when is the condition of all objects.
	when string
	// kept is the condition under which Helm keeps the objects when the release is uninstalled.
	kept string
	// labels are what the kustomization of the sources adds.
	labels map[string]string
	// named says that the names are those of the sources.
	named bool
	// perNamespace says that the objects are made in each of the namespaces that the programs watch.
	perNamespace bool
	// settings are the values for the metadata of the objects, or nil.
	settings *settings
	// wrap returns the object of a source that is none itself, or is nil.
	wrap func([]byte) map[string]any
}

// templates returns the files that are generated.
func templates() []template {
	return []template{
		{
			file: "crds.yaml", sources: []string{"crd/bases/*.yaml"}, when: ".Values.crds.install", kept: ".Values.crds.keep", named: true,
			labels: map[string]string{"app.kubernetes.io/component": "crd", "apikey-operator.io/undeploy": "keep"},
		},
		{
			file: "guardrails.yaml", sources: []string{"policy/*.yaml"}, when: ".Values.guardrails.install", kept: ".Values.guardrails.keep",
			labels: map[string]string{"app.kubernetes.io/component": "guardrail", "apikey-operator.io/undeploy": "keep"},
		},
		{file: "rbac.yaml", sources: []string{"rbac/*role*.yaml"}},
		{file: "verifier_rbac.yaml", sources: []string{"verifier/role*.yaml"}, when: ".Values.verifier.enabled"},
		{file: "namespaces.yaml", sources: []string{"rbac/namespace/manager_*.yaml"}, perNamespace: true},
		{
			file: "alerts.yaml", sources: []string{"prometheus/alerts.yaml"}, when: ".Values.metrics.prometheusRule.enabled",
			settings: &settings{".Values.metrics.prometheusRule"},
		},
		{
			file: "dashboard.yaml", sources: []string{"grafana/dashboard.json"}, when: ".Values.metrics.dashboard.enabled",
			settings: &settings{".Values.metrics.dashboard"}, wrap: dashboardObject,
		},
		{file: "verifier_namespaces.yaml", sources: []string{"rbac/namespace/verifier_*.yaml"}, when: ".Values.verifier.enabled", perNamespace: true},
	}
}

// render returns the text of the template.
func (t template) render(config string) (string, error) {
	var out strings.Builder
	out.WriteString("{{- /* Written by `make manifests` from config/" + strings.Join(t.sources, ", config/") + ": change them there. */ -}}\n")
	if t.when != "" {
		out.WriteString("{{- if " + t.when + " }}\n")
	}
	narrowed, err := narrowedRules(config)
	if err != nil {
		return "", err
	}
	if t.perNamespace {
		out.WriteString("{{- range $namespace := .Values.namespaces }}\n")
	}
	for _, source := range t.sources {
		files, err := filepath.Glob(filepath.Join(config, source))
		if err != nil {
			return "", err
		}
		slices.Sort(files)
		for _, file := range files {
			if filepath.Base(file) == "kustomization.yaml" {
				continue
			}
			if err := t.add(&out, file, narrowed); err != nil {
				return "", fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	if t.perNamespace {
		out.WriteString("{{- end }}\n")
	}
	if t.when != "" {
		out.WriteString("{{- end }}\n")
	}

	return out.String(), nil
}

// add writes the objects of a file.
func (t template) add(out *strings.Builder, file string, narrowed map[string]string) error {
	data, err := os.ReadFile(file) //nolint:gosec // G703: a file of the repository
	if err != nil {
		return err
	}
	if t.wrap != nil {
		text, err := t.object(t.wrap(data))
		out.WriteString("---\n" + text)

		return err
	}
	for document := range bytes.SplitSeq(append([]byte("\n"), data...), []byte("\n---\n")) {
		var object map[string]any
		if err := utilyaml.Unmarshal(document, &object); err != nil {
			return err
		}
		if len(object) == 0 {
			continue
		}
		text, err := t.object(object)
		if err != nil {
			return err
		}
		out.WriteString("---\n" + withNarrowedRules(text, object, narrowed))
	}

	return nil
}

// The marks that stand for what Helm inserts until the object is text.
const (
	prefixMark    = "@prefix@"
	namespaceMark = "@namespace@"
	watchedMark   = "@watched@"
	labelsMark    = "@labels@"
	keepMark      = "@keep@"
)

// object returns the template of an object.
func (t template) object(object map[string]any) (string, error) {
	metadata, ok := object["metadata"].(map[string]any)
	if !ok {
		return "", fmt.Errorf("a %v has no metadata", object["kind"])
	}
	own, _ := metadata["labels"].(map[string]any)
	merged := map[string]any{labelsMark: ""}
	maps.Copy(merged, own)
	for name, value := range t.labels {
		merged[name] = value
	}
	metadata["labels"] = merged
	if t.kept != "" {
		if annotations, _ := metadata["annotations"].(map[string]any); len(annotations) == 0 {
			metadata["annotations"] = keepMark
		} else {
			annotations[keepMark] = ""
		}
	}
	if !t.named {
		rename(object)
	}
	if t.perNamespace {
		metadata["namespace"] = watchedMark
	}
	if t.settings != nil {
		t.settings.mark(metadata, merged)
	}
	text, err := yaml.Marshal(object)
	if err != nil {
		return "", err
	}

	return t.insert(string(text)), nil
}

// rename puts marks into every field that names another object of the release.
func rename(object map[string]any) {
	named := func(field any) {
		reference, _ := field.(map[string]any)
		if name, ok := reference["name"].(string); ok {
			reference["name"] = prefixMark + strings.TrimPrefix(name, "apikey-operator-") // config/rbac/namespace has the prefix of config/default
		}
		if _, ok := reference["namespace"].(string); ok {
			reference["namespace"] = namespaceMark
		}
	}
	named(object["metadata"])
	named(object["roleRef"])
	subjects, _ := object["subjects"].([]any)
	for _, subject := range subjects {
		named(subject)
	}
	if spec, ok := object["spec"].(map[string]any); ok && object["kind"] == "ValidatingAdmissionPolicyBinding" {
		spec["policyName"] = prefixMark + fmt.Sprint(spec["policyName"])
	}
}

// insert replaces the marks. What Helm would take for a template of its own is escaped first.
func (t template) insert(text string) string {
	text = strings.ReplaceAll(text, "{{", `{{ "{{" }}`)

	if t.settings != nil {
		text = withOptionalVerifier(strings.NewReplacer(t.settings.replacements()...).Replace(text))
	}
	text = strings.NewReplacer(
		"    '"+labelsMark+"': \"\"\n", labels,
		"  annotations: '"+keepMark+"'\n", "  {{- if "+t.kept+" }}\n  annotations:\n    helm.sh/resource-policy: keep\n  {{- end }}\n",
		"    '"+keepMark+"': \"\"\n", "    {{- if "+t.kept+" }}\n    helm.sh/resource-policy: keep\n    {{- end }}\n",
		"'"+prefixMark, "'"+prefix, prefixMark, prefix, "'"+namespaceMark+"'", `{{ .Release.Namespace | quote }}`,
		"$(APIKEY_OPERATOR_NAMESPACE)", namespace, "$(APIKEY_OPERATOR_NAME)", prefix+"controller-manager",
		"$(APIKEY_VERIFIER_NAMESPACE)", namespace, "$(APIKEY_VERIFIER_NAME)", prefix+"verifier",
		"'"+watchedMark+"'", "{{ $namespace | quote }}",
	).Replace(text)
	if t.perNamespace { // within range, only $ is the release
		text = strings.NewReplacer(`" . `, `" $ `, "{{ .Release", "{{ $.Release").Replace(text)
	}

	return text
}
