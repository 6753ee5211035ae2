{{- define "gvList" -}}
# API reference

Generated from the types in `api/`; `make generate` writes it anew.

{{ range . }}{{ template "gvDetails" . }}{{ end }}
{{- end -}}
