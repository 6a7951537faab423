{{- define "traefik.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end -}}
{{- end }}

{{- define "traefik.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}-{{ .Release.Namespace }}
{{- end }}

{{- define "traefik.labels" -}}
{{ include "traefik.selector" . }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "traefik.image" -}}
{{ with .Values.image.registry }}{{ . }}/{{ end }}{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}

{{/* Pods that hold a host port cannot overlap: a rollout that surges would wait for the port for ever. */}}
{{- define "traefik.rolloutCheck" -}}
{{- $held := .Values.hostNetwork }}
{{- range .Values.ports }}{{ if and . .hostPort }}{{ $held = true }}{{ end }}{{ end }}
{{- $strategy := .Values.updateStrategy }}
{{- if and $held (eq .Values.deployment.kind "DaemonSet") (eq $strategy.type "RollingUpdate") }}
{{- if ne (toString $strategy.rollingUpdate.maxSurge) "0" }}
{{- fail "a DaemonSet with host ports needs updateStrategy.rollingUpdate.maxSurge=0 and a maxUnavailable above 0" }}
{{- end }}
{{- end }}
{{- end }}
