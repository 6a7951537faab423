{{- define "traefik.pod" -}}
metadata:
  labels:
    {{- include "traefik.labels" . | nindent 4 }}
    {{- with .Values.deployment.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.deployment.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "traefik.fullname" . }}
  automountServiceAccountToken: true
  terminationGracePeriodSeconds: {{ .Values.deployment.terminationGracePeriodSeconds }}
  hostNetwork: {{ .Values.hostNetwork }}
  {{- with .Values.deployment.dnsPolicy }}
  dnsPolicy: {{ . }}
  {{- end }}
  {{- with .Values.deployment.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- range $name := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" }}
  {{- with index $.Values $name }}
  {{ $name }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- with .Values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ include "traefik.fullname" . }}
      image: {{ include "traefik.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        {{- include "traefik.arguments" . | trim | nindent 8 }}
      ports:
        {{- range $name, $port := .Values.ports }}
        {{- with $port }}
        - name: {{ $name }}
          containerPort: {{ default .port .containerPort }}
          protocol: {{ default "TCP" .protocol }}
          {{- with .hostPort }}
          hostPort: {{ . }}
          {{- end }}
          {{- with .hostIP }}
          hostIP: {{ . }}
          {{- end }}
        {{- end }}
        {{- end }}
      {{- range $name := list "readinessProbe" "livenessProbe" }}
      {{ $name }}:
        httpGet:
          path: /ping
          port: {{ $.Values.ports.traefik.port }}
          scheme: HTTP
        {{- toYaml (index $.Values $name) | nindent 8 }}
      {{- end }}
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      {{- with .Values.securityContext }}
      securityContext:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      volumeMounts:
        - name: tmp
          mountPath: /tmp
  volumes:
    - name: tmp
      emptyDir: {}
{{- end }}
