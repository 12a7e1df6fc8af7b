{{- define "hua.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* The prefix of all objects' names, short enough for the suffixes. */}}
{{- define "hua.fullname" -}}
{{- $name := include "hua.name" . -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "hua.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "hua.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{/* Takes root, role and, for worker pools, pool. Must never change: selectors are immutable. */}}
{{- define "hua.selector" -}}
app.kubernetes.io/name: {{ include "hua.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- with .pool }}
hua/pool: {{ . }}
{{- end }}
{{- end }}

{{/* Without versions, so that a new version of the chart alone restarts no worker. */}}
{{- define "hua.podLabels" -}}
{{ include "hua.selector" . }}
app.kubernetes.io/part-of: hua
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "hua.labels" -}}
{{ include "hua.podLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Takes root, role, optionally pool, and name: the suffix of the full name. */}}
{{- define "hua.metadata" -}}
name: {{ include "hua.fullname" .root }}{{ with .name }}-{{ . }}{{ end }}
labels:
  {{- include "hua.labels" . | nindent 2 }}
{{- end }}

{{/* Takes root and image: slim or cuda. */}}
{{- define "hua.image" -}}
{{- $image := .root.Values.image -}}
{{- $one := index $image .image -}}
{{- $registry := default $image.registry .root.Values.global.imageRegistry -}}
{{- with $registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{ $image.repository }}
{{- if $one.digest -}}
@{{ $one.digest }}
{{- else -}}
:{{ default (printf "%s-%s" .root.Chart.AppVersion .image) $one.tag }}
{{- end -}}
{{- end }}

{{/* Takes root and monitors or rules. Empty if they are disabled. */}}
{{- define "hua.monitored" -}}
{{- $enabled := toString (index .root.Values.monitoring .what).enabled -}}
{{- if or (eq $enabled "true") (and (eq $enabled "auto") (.root.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")) -}}
true
{{- end -}}
{{- end }}
