{{- define "gvDetails" -}}
{{- $gv := . -}}
| kind | description |
| --- | --- |
{{ range $gv.SortedKinds -}}
{{- with $gv.TypeForKind . -}}
| [{{ .Name }}](#{{ lower .Name }}) | {{ template "line" (first (splitList "\n\n" .Doc)) }} |
{{ end -}}
{{ end -}}

{{- range $gv.SortedKinds }}
{{ template "type" ($gv.TypeForKind .) }}
{{- end }}

## Types of the fields
{{ range $gv.SortedTypes -}}
{{- if and (not .GVK) .References }}
{{ template "type" . }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* line writes a comment as one line of a table, with its example as code. */}}
{{- define "line" -}}
{{- regexReplaceAll "(^|\n)Example: ([^\n]+)" (replace "|" "\\|" .) "<br>Example: `${2}`" | replace "\n\n" "<br>" | replace "\n" " " -}}
{{- end -}}
