{{- define "type_members" -}}
{{- if eq .Name "metadata" -}}
The standard metadata of Kubernetes. The name has at most 63 characters. The label `kueue.x-k8s.io/queue-name` goes to the Jobs.
{{- else -}}
{{ markdownRenderFieldDoc .Doc }}
{{- end -}}
{{- end -}}

{{- define "bounds" -}}
{{- range . -}}
{{- if eq . "Required: {}" -}}required<br />
{{- else if ne . "Optional: {}" -}}{{ markdownRenderFieldDoc . }}<br />
{{- end -}}
{{- end -}}
{{- end -}}
