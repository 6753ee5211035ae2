{{- define "gvDetails" -}}
## {{ .GroupVersionString }}

{{ .Doc }}
{{ range .SortedKinds }}
Kind: {{ markdownRenderTypeLink ($.TypeForKind .) }}
{{ end }}
{{- range .SortedTypes }}{{ template "type" . }}{{ end }}
{{- end -}}
