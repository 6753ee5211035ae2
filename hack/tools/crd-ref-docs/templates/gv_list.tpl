{{- define "gvList" -}}
# API reference

Generated from the types in `api/`; `make generate` writes it again.

{{ range . }}{{ template "gvDetails" . }}{{ end }}
{{- end -}}
