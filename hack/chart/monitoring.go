// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import "strings"

// settings are the values that a user sets for one object: labels, annotations and the namespace.
type settings struct {
	// values is where they are, such as ".Values.metrics.dashboard".
	values string
}

// The marks that stand for the settings until the object is text.
const (
	ownLabelsMark      = "@ownLabels@"
	ownAnnotationsMark = "@ownAnnotations@"
	ownNamespaceMark   = "@ownNamespace@"
)

// mark puts marks for the settings into the metadata of an object.
func (s settings) mark(metadata, labels map[string]any) {
	labels[ownLabelsMark] = ""
	metadata["annotations"] = ownAnnotationsMark
	metadata["namespace"] = ownNamespaceMark
}

// replacements are pairs of a text with a mark and what Helm inserts in its place.
func (s settings) replacements() []string {
	return []string{
		"    '" + ownLabelsMark + "': \"\"\n", "    {{- with " + s.values + ".labels }}\n    {{- toYaml . | nindent 4 }}\n    {{- end }}\n",
		"  annotations: '" + ownAnnotationsMark + "'\n",
		"  {{- with " + s.values + ".annotations }}\n  annotations:\n    {{- toYaml . | nindent 4 }}\n  {{- end }}\n",
		"'" + ownNamespaceMark + "'", "{{ " + s.values + ".namespace | default .Release.Namespace | quote }}",
	}
}

// withOptionalVerifier puts the alerts about the verifier, which are the last group, under the condition that the release has one.
// Otherwise the alert about its absence would fire for ever.
func withOptionalVerifier(text string) string {
	const group = "  - name: apikey-verifier\n"
	before, after, found := strings.Cut(text, group)
	if !found {
		return text
	}

	return before + "  {{- if .Values.verifier.enabled }}\n" + group + after + "  {{- end }}\n"
}

// dashboardObject returns the ConfigMap in which Grafana looks for a dashboard.
func dashboardObject(dashboard []byte) map[string]any {
	return map[string]any{
		"apiVersion": "v1",
		"kind":       "ConfigMap",
		"metadata":   map[string]any{"name": "dashboard"},
		"data":       map[string]any{"apikey-operator.json": string(dashboard)},
	}
}
