{{- define "rancher.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end -}}
{{- end }}

{{- define "rancher.labels" -}}
app: {{ include "rancher.fullname" . }}
chart: {{ .Chart.Name }}-{{ .Chart.Version }}
heritage: {{ .Release.Service }}
release: {{ .Release.Name }}
{{- end }}

{{- define "rancher.image" -}}
{{ .Values.rancherImage }}:{{ default .Chart.AppVersion .Values.rancherImageTag }}
{{- end }}

{{/* Whether agents get a CA from Rancher: the mounted one, or Rancher's own. */}}
{{- define "rancher.hasCacerts" -}}
{{- if or .Values.privateCA (and (ne .Values.tls "external") (eq .Values.ingress.tls.source "rancher")) }}yes{{ end -}}
{{- end }}

{{/* One of the three probes; call with the root and the probe's values. */}}
{{- define "rancher.probe" -}}
httpGet:
  path: /healthz
{{- if .root.Values.service.disableHTTP }}
  port: 443
  scheme: HTTPS
{{- else }}
  port: 80
{{- end }}
{{ toYaml .probe }}
{{- end }}

{{/* Node and pod placement, apart from the rest of the pod because it is long. */}}
{{- define "rancher.affinity" -}}
{{- $term := dict "topologyKey" .Values.topologyKey "labelSelector" (dict "matchExpressions" (list (dict
      "key" "app" "operator" "In" "values" (list (include "rancher.fullname" .))))) -}}
podAntiAffinity:
{{- if eq .Values.antiAffinity "required" }}
  requiredDuringSchedulingIgnoredDuringExecution:
    - {{ toYaml $term | nindent 6 | trim }}
{{- else }}
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        {{- toYaml $term | nindent 8 }}
{{- end }}
nodeAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    nodeSelectorTerms:
      - matchExpressions:
          - key: kubernetes.io/os
            operator: NotIn
            values: [windows]
          {{- with .Values.extraNodeSelectorTerms }}
          {{- toYaml . | nindent 10 }}
          {{- end }}
{{- end }}
