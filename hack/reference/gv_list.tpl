{{- define "gvList" -}}
{{- range . -}}
# API reference

<!-- Written by `make manifests` from the types in this folder: change it there. -->

Every field of `{{ .GroupVersionString }}`. `kubectl explain` shows the same text; [doc.go](doc.go) has the reasons behind the types.
The lengths and values that stand beside an array are those of each element.

{{ template "gvDetails" . }}
{{- end }}
{{- end -}}
