{{/* The arguments of one entry point; call with the root, its name and its values. */}}
{{- define "traefik.entryPoint" -}}
{{- $flag := printf "--entryPoints.%s" .name }}
{{- with .port }}
- {{ $flag }}.address=:{{ .port }}/{{ default "TCP" .protocol | lower }}
{{- range $part := list "forwardedHeaders" "proxyProtocol" }}
{{- with index $.port $part }}
{{- with .trustedIPs }}
- {{ $flag }}.{{ $part }}.trustedIPs={{ join "," . }}
{{- end }}
{{- if .insecure }}
- {{ $flag }}.{{ $part }}.insecure=true
{{- end }}
{{- end }}
{{- end }}
{{- range $part, $times := .transport }}
{{- range $name, $value := $times }}
{{- if not (kindIs "invalid" $value) }}
- {{ $flag }}.transport.{{ $part }}.{{ $name }}={{ $value }}
{{- end }}
{{- end }}
{{- end }}
{{- with dig "entryPoint" (dict) (default (dict) .redirections) }}
{{- /* the port that clients see, not the one in the container */}}
{{- $to := index $.root.Values.ports .to }}
- {{ $flag }}.http.redirections.entryPoint.to=:{{ $to.exposedPort }}
- {{ $flag }}.http.redirections.entryPoint.scheme={{ default "https" .scheme }}
{{- if hasKey . "permanent" }}
- {{ $flag }}.http.redirections.entryPoint.permanent={{ .permanent }}
{{- end }}
{{- with .priority }}
- {{ $flag }}.http.redirections.entryPoint.priority={{ int . }}
{{- end }}
{{- end }}
{{- with .tls }}
{{- if .enabled }}
- {{ $flag }}.http.tls=true
{{- with .options }}
- {{ $flag }}.http.tls.options={{ . }}
{{- end }}
{{- with .certResolver }}
- {{ $flag }}.http.tls.certResolver={{ . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The arguments of one provider; call with its flag and its values. */}}
{{- define "traefik.provider" -}}
{{- if .provider.enabled }}
- {{ .flag }}=true
{{- range $name := list "allowCrossNamespace" "allowExternalNameServices" "allowEmptyServices" }}
{{- if index $.provider $name }}
- {{ $.flag }}.{{ $name }}=true
{{- end }}
{{- end }}
{{- with .provider.ingressClass }}
- {{ $.flag }}.ingressClass={{ . }}
{{- end }}
{{- with .provider.namespaces }}
- {{ $.flag }}.namespaces={{ join "," . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "traefik.arguments" -}}
- --global.checkNewVersion={{ .Values.global.checkNewVersion }}
- --global.sendAnonymousUsage={{ .Values.global.sendAnonymousUsage }}
- --log.level={{ .Values.logs.general.level }}
{{- with .Values.logs.general.format }}
- --log.format={{ . }}
{{- end }}
{{- if .Values.logs.access.enabled }}
- --accessLog=true
{{- with .Values.logs.access.format }}
- --accessLog.format={{ . }}
{{- end }}
{{- end }}
- --ping=true
{{- range $name, $port := .Values.ports }}
{{- include "traefik.entryPoint" (dict "root" $ "name" $name "port" $port) }}
{{- end }}
{{- range $name := list "kubernetesCRD" "kubernetesIngress" }}
{{- $provider := index $.Values.providers $name }}
{{- include "traefik.provider" (dict "flag" (print "--providers." $name) "provider" $provider) }}
{{- end }}
{{- with .Values.providers.kubernetesIngress }}
{{- if and .enabled .publishedService.enabled (or $.Values.service.enabled .publishedService.pathOverride) }}
{{- $own := printf "%s/%s" $.Release.Namespace (include "traefik.fullname" $) }}
- --providers.kubernetesIngress.ingressEndpoint.publishedService={{ default $own .publishedService.pathOverride }}
{{- end }}
{{- end }}
{{- with .Values.additionalArguments }}
{{ toYaml . }}
{{- end }}
{{- end }}
