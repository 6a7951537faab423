{{/* What the container is told by environment. */}}
{{- define "rancher.env" -}}
- name: CATTLE_NAMESPACE
  value: {{ .Release.Namespace }}
- name: CATTLE_PEER_SERVICE
  value: {{ include "rancher.fullname" . }}
- name: CATTLE_BOOTSTRAP_PASSWORD
  valueFrom:
    secretKeyRef:
      name: bootstrap-secret
      key: bootstrapPassword
      # not there when no password was given: Rancher then makes one
      optional: true
- name: IMPERATIVE_API_DIRECT
  value: "true"
- name: IMPERATIVE_API_APP_SELECTOR
  value: {{ include "rancher.fullname" . }}
{{- with .Values.agentTLSMode }}
- name: CATTLE_AGENT_TLS_MODE
  value: {{ . }}
{{- end }}
{{- with .Values.features }}
- name: CATTLE_FEATURES
  value: {{ . | quote }}
{{- end }}
{{- if .Values.noDefaultAdmin }}
- name: CATTLE_NO_DEFAULT_ADMIN
  value: "true"
{{- end }}
{{- with .Values.aggregationRegistrationTimeout }}
- name: AGGREGATION_REGISTRATION_TIMEOUT
  value: {{ . | quote }}
{{- end }}
{{- with .Values.systemDefaultRegistry }}
- name: CATTLE_SYSTEM_DEFAULT_REGISTRY
  value: {{ . }}
{{- end }}
{{- if .Values.useBundledSystemChart }}
- name: CATTLE_SYSTEM_CATALOG
  value: bundled
{{- end }}
{{- if .Values.proxy }}
- name: HTTP_PROXY
  value: {{ .Values.proxy }}
- name: HTTPS_PROXY
  value: {{ .Values.proxy }}
- name: NO_PROXY
  value: {{ .Values.noProxy }}
{{- end }}
{{- if gt (int .Values.auditLog.level) 0 }}
- name: AUDIT_LEVEL
  value: {{ .Values.auditLog.level | quote }}
- name: AUDIT_LOG_MAXAGE
  value: {{ .Values.auditLog.maxAge | quote }}
- name: AUDIT_LOG_MAXBACKUP
  value: {{ .Values.auditLog.maxBackup | quote }}
- name: AUDIT_LOG_MAXSIZE
  value: {{ .Values.auditLog.maxSize | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Single files by subPath: a changed Secret reaches a pod only when the pod is made anew. */}}
{{- define "rancher.mounts" -}}
{{- if or .Values.privateCA .Values.additionalTrustedCAs -}}
volumeMounts:
{{- if .Values.privateCA }}
  - name: tls-ca-volume
    mountPath: /etc/rancher/ssl/cacerts.pem
    subPath: cacerts.pem
    readOnly: true
{{- end }}
{{- if .Values.additionalTrustedCAs }}
  - name: tls-ca-additional-volume
    mountPath: /etc/pki/trust/anchors/ca-additional.pem
    subPath: ca-additional.pem
    readOnly: true
  - name: tls-ca-additional-volume
    mountPath: /etc/rancher/ssl/ca-additional.pem
    subPath: ca-additional.pem
    readOnly: true
{{- end }}
{{- end }}
{{- end }}

{{- define "rancher.volumes" -}}
{{- if or .Values.privateCA .Values.additionalTrustedCAs -}}
volumes:
{{- if .Values.privateCA }}
  - name: tls-ca-volume
    secret:
      defaultMode: 0400
      secretName: tls-ca
{{- end }}
{{- if .Values.additionalTrustedCAs }}
  - name: tls-ca-additional-volume
    secret:
      defaultMode: 0400
      secretName: tls-ca-additional
{{- end }}
{{- end }}
{{- end }}
