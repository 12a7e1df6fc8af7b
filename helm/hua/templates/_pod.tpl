{{/* The pods of a role. All take root, role, image, values (the role's over those of `pod`), and optionally pool. */}}
{{- define "hua.podMetadata" -}}
labels:
  {{- include "hua.podLabels" . | nindent 2 }}
  {{- with .values.labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  checksum/settings: {{ include (print .root.Template.BasePath "/settings.yaml") .root | sha256sum }}
  {{- with .values.annotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* A pod's spec without containers, volumes and grace period. */}}
{{- define "hua.podSpec" -}}
{{- $values := .values -}}
serviceAccountName: {{ include "hua.serviceAccount" .root }}
automountServiceAccountToken: false
# A Service called hua-… would become HUA_… variables, which are not settings.
enableServiceLinks: false
{{- with .root.Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  {{- toYaml $values.podSecurityContext | nindent 2 }}
{{- range $key := tuple "priorityClassName" "runtimeClassName" "schedulerName" "dnsPolicy" "dnsConfig" "hostAliases" "tolerations" "affinity" }}
{{- with index $values $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{/* Spread evenly over nodes. */}}
{{- define "hua.spread" -}}
topologySpreadConstraints:
{{- if .values.topologySpreadConstraints }}
  {{- toYaml .values.topologySpreadConstraints | nindent 2 }}
{{- else }}
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "hua.selector" . | nindent 8 }}
{{- end }}
{{- end }}

{{- define "hua.initContainers" -}}
{{- if or .root.Values.models.verify.enabled .values.initContainers -}}
initContainers:
{{- if .root.Values.models.verify.enabled }}
  - name: models
    image: {{ include "hua.image" . }}
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    args: [models, verify, --wait, {{ .root.Values.models.verify.waitSeconds | int64 | quote }}, /models]
    resources:
      requests: {cpu: 10m, memory: 64Mi}
      limits: {memory: 256Mi}
    securityContext:
      {{- toYaml .values.securityContext | nindent 6 }}
    volumeMounts:
      {{- include "hua.modelsMount" . | nindent 6 }}
      - {name: tmp, mountPath: /tmp}
{{- end }}
{{- with .values.initContainers }}
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{/* A role's container without name, environment, ports, probes and mounts. */}}
{{- define "hua.container" -}}
image: {{ include "hua.image" . }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
{{- with .values.command }}
command:
  {{- toYaml . | nindent 2 }}
{{- end }}
args:
  {{- toYaml (default (list .role) .values.args) | nindent 2 }}
securityContext:
  {{- toYaml .values.securityContext | nindent 2 }}
envFrom:
  - configMapRef: {name: {{ include "hua.fullname" .root }}-settings}
  {{- with .root.Values.secrets.settings }}
  - secretRef: {name: {{ . }}}
  {{- end }}
  {{- with .values.extraEnvFrom }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Environment of every role: values from Secrets with their own key names. */}}
{{- define "hua.commonEnv" -}}
{{- range $prefix, $secret := dict "BROKER" .root.Values.secrets.kafka "QUEUE" .root.Values.secrets.redis }}
{{- if $secret.user }}
- {name: HUA_{{ $prefix }}_USER, value: {{ $secret.user | quote }}}
{{- else if $secret.userKey }}
- {name: HUA_{{ $prefix }}_USER, valueFrom: {secretKeyRef: {name: {{ $secret.name }}, key: {{ $secret.userKey }}}}}
{{- end }}
{{- if $secret.passwordKey }}
- {name: HUA_{{ $prefix }}_PASSWORD, valueFrom: {secretKeyRef: {name: {{ $secret.name }}, key: {{ $secret.passwordKey }}}}}
{{- end }}
{{- end }}
{{- with .values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "hua.modelsMount" -}}
- name: models
  mountPath: /models
  readOnly: true
  {{- with (default .root.Values.models.subPath (.values.models).subPath) }}
  subPath: {{ . }}
  {{- end }}
{{- end }}

{{/* Mounts and volumes of every role, under the same names. */}}
{{- define "hua.mounts" -}}
{{ include "hua.modelsMount" . }}
- {name: tmp, mountPath: /tmp}
{{- with .root.Values.secrets }}
{{- if .kafka.name }}
- {name: kafka, mountPath: /etc/hua/kafka, readOnly: true}
{{- end }}
{{- if or .kafkaCa.secret .kafkaCa.configMap }}
- {name: kafka-ca, mountPath: /etc/hua/kafka-ca, readOnly: true}
{{- end }}
{{- if .redis.name }}
- {name: redis, mountPath: /etc/hua/redis, readOnly: true}
{{- end }}
{{- if .s3.name }}
- {name: s3, mountPath: /etc/hua/s3, readOnly: true}
{{- end }}
{{- if or .s3Ca.secret .s3Ca.configMap }}
- {name: s3-ca, mountPath: /etc/hua/s3-ca, readOnly: true}
{{- end }}
{{- end }}
{{- with .values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "hua.modelsClaim" -}}
{{ coalesce (.values.models).existingClaim .root.Values.models.existingClaim (printf "%s-models" (include "hua.fullname" .root)) }}
{{- end }}

{{- define "hua.volumes" -}}
- name: models
  persistentVolumeClaim: {claimName: {{ include "hua.modelsClaim" . }}}
- name: tmp
  emptyDir: {sizeLimit: {{ default "1Gi" .values.scratch }}}
{{- with .root.Values.secrets }}
{{- with .kafka.name }}
- {name: kafka, secret: {secretName: {{ . }}, defaultMode: 0440}}
{{- end }}
{{- include "hua.authority" (dict "name" "kafka-ca" "of" .kafkaCa) }}
{{- with .redis.name }}
- {name: redis, secret: {secretName: {{ . }}, defaultMode: 0440}}
{{- end }}
{{- with .s3.name }}
- {name: s3, secret: {secretName: {{ . }}, defaultMode: 0440}}
{{- end }}
{{- include "hua.authority" (dict "name" "s3-ca" "of" .s3Ca) }}
{{- end }}
{{- with .values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "hua.authority" -}}
{{- if .of.secret }}
- {name: {{ .name }}, secret: {secretName: {{ .of.secret }}, defaultMode: 0440}}
{{- else if .of.configMap }}
- {name: {{ .name }}, configMap: {name: {{ .of.configMap }}}}
{{- end }}
{{- end }}

{{/* An HTTP probe. Takes path, port, period and failures. */}}
{{- define "hua.probe" -}}
httpGet: {path: {{ .path }}, port: {{ .port }}}
periodSeconds: {{ .period }}
timeoutSeconds: 5
failureThreshold: {{ .failures }}
{{- end }}
