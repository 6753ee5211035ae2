{{- define "dataset-audit.name" -}}
{{- $name := .Release.Name | replace "." "-" -}}
{{- $chart := .Values.nameOverride | default .Chart.Name -}}
{{- if not (contains $chart $name) }}{{ $name = printf "%s-%s" $name $chart }}{{ end -}}
{{- .Values.fullnameOverride | default $name | trunc 45 | trimSuffix "-" -}}
{{- end }}

{{- define "dataset-audit.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (printf "%s-manager" (include "dataset-audit.name" .)) }}
{{- end }}

{{- define "dataset-audit.selector" -}}
app.kubernetes.io/name: {{ .Values.nameOverride | default .Chart.Name | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: manager
{{- end }}

{{- define "dataset-audit.ownLabels" -}}
{{ include "dataset-audit.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- end }}

{{- define "dataset-audit.labels" -}}
{{- include "dataset-audit.labelsWith" (list . dict) }}
{{- end }}

{{- /* labels of a list (root, further labels): the chart's own win, since its selectors rest on them */ -}}
{{- define "dataset-audit.labelsWith" -}}
{{- $root := index . 0 -}}
{{- mustMergeOverwrite (dict) $root.Values.extraLabels (index . 1) (include "dataset-audit.ownLabels" $root | fromYaml) | toYaml }}
{{- end }}

{{- /* Whether the definitions are part of this release: not if they are told not to be, and not if they are there and somebody else's,
       of another release or applied by hand. Helm would refuse the whole release for them. */ -}}
{{- define "dataset-audit.crds" -}}
{{- if and .Values.crds.enabled (ne .Values.crds.install false) -}}
{{- $there := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" "datasetaudits.datasetaudit.io" -}}
{{- $annotations := dig "metadata" "annotations" dict $there -}}
{{- if or (not $there) (and (eq (get $annotations "meta.helm.sh/release-name") .Release.Name) (eq (get $annotations "meta.helm.sh/release-namespace") .Release.Namespace)) -}}
true
{{- end -}}
{{- end -}}
{{- end }}

{{- /* replicas, also by their earlier name */ -}}
{{- define "dataset-audit.replicas" -}}
{{- if kindIs "invalid" .Values.replicas }}{{ int64 .Values.replicaCount }}{{ else }}{{ int64 .Values.replicas }}{{ end }}
{{- end }}

{{- /* image of a list (values of the image, the chart's appVersion, their name) */ -}}
{{- define "dataset-audit.image" -}}
{{- $image := index . 0 -}}
{{- if hasPrefix "registry.invalid/" $image.repository }}
{{- fail (printf "set %s.repository (and tag or digest): the chart's is a placeholder, which is nowhere. `make images` builds and pushes your own." (index . 2)) }}
{{- end }}
{{- if $image.digest }}{{ $image.repository }}@{{ $image.digest }}{{ else }}{{ $image.repository }}:{{ $image.tag | default (index . 1) }}{{ end }}
{{- end }}
