{{- define "type" -}}
{{ if .GVK }}##{{ else }}###{{ end }} {{ .Name }}

{{ regexReplaceAll "(^|\n)Example: ([^\n]+)" .Doc "\n\nExample: `${2}`" | trim }}
{{ if .IsAlias }}
A {{ markdownRenderTypeLink .UnderlyingType }}{{ template "limits" (list " with " ", " .Validation) }}.
{{ end }}
{{- if .References }}
Used in {{ range $i, $type := .SortedReferences }}{{ if $i }}, {{ end }}[{{ $type.Name }}](#{{ lower $type.Name }}){{ end }}.
{{ end }}
{{- if .Members }}
| field | description | limits |
| --- | --- | --- |
{{ range .Members }}
{{- if ne .Name "metadata" -}}
| `{{ .Name }}`<br>{{ markdownRenderType .Type }} | {{ template "line" .Doc }} | {{ template "member" . }} |
{{ end -}}
{{ end -}}
{{ end -}}
{{- if and .EnumValues (index .EnumValues 0).Doc }}
| value | description |
| --- | --- |
{{ range .EnumValues -}}
| `{{ .Name }}` | {{ template "line" (regexReplaceAll "^\\w+: " .Doc "" | trim) }} |
{{ end -}}
{{ end -}}
{{ end -}}

{{/* member writes whether a field is required, its limits and its default. */}}
{{- define "member" -}}
{{- if has "Required: {}" .Validation }}required{{ else }}optional{{ end -}}
{{- template "limits" (list "<br>" "<br>" .Validation) -}}
{{- with .Default }}<br>default `{{ . }}`{{ end -}}
{{- end -}}

{{/* limits writes the limits of a field or a type, given what stands before the first and before the others. */}}
{{- define "limits" -}}
{{- $before := index . 0 -}}
{{- $between := index . 1 -}}
{{- range index . 2 -}}
{{- if not (regexMatch "^(Optional|Required|Schemaless|Type):?" .) -}}
{{- $before }}{{ . | replace "|" "\\|" | replace "1e+06" "1000000" }}{{ $before = $between -}}
{{- end -}}
{{- end -}}
{{- end -}}
