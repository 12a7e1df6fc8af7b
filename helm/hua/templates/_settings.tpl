{{/* A setting as an environment variable: lists with commas, integers without exponent. */}}
{{- define "hua.setting" -}}
{{- if kindIs "slice" . -}}
{{ join "," . }}
{{- else if and (kindIs "float64" .) (eq (floor .) .) -}}
{{ int64 . }}
{{- else -}}
{{ . }}
{{- end -}}
{{- end }}

{{/* Settings as environment variables of a container. */}}
{{- define "hua.env" -}}
{{- range $name, $value := . }}
- {name: HUA_{{ upper $name }}, value: {{ include "hua.setting" $value | quote }}}
{{- end }}
{{- end }}

{{- define "hua.publicUrl" -}}
{{- if .Values.settings.public_url -}}
{{ .Values.settings.public_url }}
{{- else if .Values.ingress.enabled -}}
{{ ternary "https" "http" (gt (len .Values.ingress.tls) 0) }}://{{ first .Values.ingress.hosts }}
{{- else if and .Values.httpRoute.enabled .Values.httpRoute.hostnames -}}
https://{{ first .Values.httpRoute.hostnames }}
{{- else -}}
http://{{ include "hua.fullname" . }}-api.{{ .Release.Namespace }}.svc:{{ .Values.api.service.port }}
{{- end -}}
{{- end }}

{{- define "hua.metricsPort" -}}
{{ default 9090 .Values.settings.metrics_port | int64 }}
{{- end }}

{{/* The ports of Kafka, Redis, S3 and other services that the settings name, from their addresses, as a JSON list. */}}
{{- define "hua.dependencyPorts" -}}
{{- $ports := list -}}
{{- range $setting, $default := dict "broker" "9092" "queue" "6379" "s3_endpoint" "" "traces" "" "egress_proxy" "" "llm_url" "" "moderation_url" "" -}}
  {{- $address := default "" (index $.Values.settings $setting) -}}
  {{- if regexMatch "^(kafka|redis|http)" $address -}}
    {{- $usual := default (ternary "443" "80" (hasPrefix "https" $address)) $default -}}
    {{- range splitList "," (regexReplaceAll "^[a-z0-9+]+://([^/?]*@)?([^/?]*).*$" $address "${2}") -}}
      {{- $ports = append $ports (regexFind "[0-9]+$" (regexFind ":[0-9]+$" .) | default $usual | int) -}}
    {{- end -}}
    {{- if contains "+sentinel" $address -}}
      {{- $ports = append $ports 6379 -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- if and (hasPrefix "s3://" (default "" .Values.settings.bucket)) (not .Values.settings.s3_endpoint) -}}
  {{- $ports = append $ports 443 -}}
{{- end -}}
{{- range .Values.networkPolicy.ports -}}
  {{- $ports = append $ports (int .) -}}
{{- end -}}
{{ $ports | uniq | toJson }}
{{- end }}

{{/* Refuses values that contradict each other, which the schema cannot express. */}}
{{- define "hua.check" -}}
{{- $names := list -}}
{{- range .Values.workerPools -}}
  {{- if has .name $names -}}
    {{- fail (printf "workerPools: two pools are called %s; give each its own name" .name) -}}
  {{- end -}}
  {{- $names = append $names .name -}}
{{- end -}}
{{- if and (not .Values.settings.broker) (not .Values.secrets.settings) -}}
  {{- fail "settings.broker is empty, and secrets.settings, which may have HUA_BROKER, too; set one of them" -}}
{{- end -}}
{{- if and (not .Values.settings.queue) (not .Values.secrets.settings) -}}
  {{- fail "settings.queue is empty, and secrets.settings, which may have HUA_QUEUE, too; set one of them" -}}
{{- end -}}
{{- if and (hasKey .Values.settings "metrics_port") (not .Values.settings.metrics_port) -}}
  {{- fail "settings.metrics_port is 0, and Kubernetes probes workers, controllers and the api at this port; set a port, or leave it out" -}}
{{- end -}}
{{- range tuple "sqlite://" "memory://" "file://" -}}
  {{- if has . (list $.Values.settings.broker $.Values.settings.queue $.Values.settings.bucket) -}}
    {{- fail (printf "settings: %s is local to one machine, and pods share no machine; use Kafka, Redis and S3" .) -}}
  {{- end -}}
{{- end -}}
{{- range $name := tuple "kafka" "redis" -}}
  {{- $secret := index $.Values.secrets $name -}}
  {{- if and (or $secret.userKey $secret.passwordKey) (not $secret.name) -}}
    {{- fail (printf "secrets.%s has keys but no Secret; set secrets.%s.name" $name $name) -}}
  {{- end -}}
{{- end -}}
{{- end }}
