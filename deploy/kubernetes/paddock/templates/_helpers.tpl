{{- define "paddock.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "paddock.selector" -}}
app.kubernetes.io/name: paddock
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "paddock.labels" -}}
{{ include "paddock.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "paddock.image" -}}
{{ .root.Values.images.prefix }}-{{ .image }}:{{ .root.Values.images.tag | default .root.Chart.AppVersion }}
{{- end }}

{{- define "paddock.pullSecrets" -}}
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "paddock.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "paddock.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "paddock.any" -}}
{{- if .Values.ipv6 }}[::]{{ else }}0.0.0.0{{ end }}
{{- end }}

{{- define "paddock.databaseSecret" -}}
{{- .Values.database.existingSecret | default (printf "%s-database" (include "paddock.fullname" .)) }}
{{- end }}

{{- define "paddock.databaseKey" -}}
{{- if .Values.database.existingSecret }}{{ .Values.database.secretKey }}{{ else }}url{{ end }}
{{- end }}

{{- define "paddock.databaseEnv" -}}
- name: PADDOCK_DATABASE_URL
  valueFrom:
    secretKeyRef: {name: {{ include "paddock.databaseSecret" . }}, key: {{ include "paddock.databaseKey" . }}}
{{- end }}

{{- define "paddock.publicNames" -}}
{{- $name := printf "%s-grpc" (include "paddock.fullname" .) }}
{{- $rest := printf "%s-rest" (include "paddock.fullname" .) }}
{{- $names := list "DNS:localhost" "IP:127.0.0.1" "IP:::1" }}
{{- range list $name $rest }}
{{- $names = concat $names (list (printf "DNS:%s" .) (printf "DNS:%s.%s" . $.Release.Namespace) (printf "DNS:%s.%s.svc" . $.Release.Namespace) (printf "DNS:%s.%s.svc.%s" . $.Release.Namespace $.Values.clusterDomain)) }}
{{- end }}
{{- concat $names .Values.certificates.publicNames | join "," }}
{{- end }}

{{- define "paddock.databaseEgress" -}}
{{- if .Values.database.existingSecret }}
- ports: [{port: 5432}, {port: 6432}]
  {{- with .Values.networkPolicy.databaseCidrs }}
  to:
    {{- range . }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- end }}
  {{- end }}
{{- else }}
- ports: [{port: postgresql}]
  to:
    - podSelector:
        matchLabels: {{- include "paddock.selector" (dict "root" . "component" "postgresql") | nindent 10 }}
{{- end }}
{{- end }}

{{- define "paddock.nodeDirectory" -}}
{{ .Values.nodeAgent.hostDirectory }}/node-{{ .Values.nodeAgent.instance }}
{{- end }}

{{- /* What a running agent reads only at its start: a change rolls the DaemonSet. */ -}}
{{- define "paddock.nodeFlags" -}}
{{ toJson .Values.nodeAgent }}{{ .Values.images.sandboxBase }}{{ .Values.clusterDomain }}
{{- end }}

{{- define "paddock.nodeEnv" -}}
- name: NODE_NAME
  valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
- name: HOST_IP
  valueFrom: {fieldRef: {fieldPath: status.hostIP}}
{{- end }}

{{- define "paddock.nodeMounts" -}}
- {name: host-directory, mountPath: {{ .Values.nodeAgent.hostDirectory }}, mountPropagation: Bidirectional}
- {name: run, mountPath: /run/paddock}
- {name: cgroup, mountPath: /sys/fs/cgroup, mountPropagation: HostToContainer}
{{- end }}

{{- define "paddock.companion" -}}
image: {{ include "paddock.image" (dict "root" . "image" "tools") }}
imagePullPolicy: {{ .Values.images.pullPolicy }}
env:
  {{- include "paddock.nodeEnv" . | nindent 2 }}
  - {name: DIRECTORY, value: {{ include "paddock.nodeDirectory" . }}}
  - {name: DAYS, value: {{ .Values.certificates.days | quote }}}
  - {name: TOLERATED_TAINTS, value: {{ .Values.nodeAgent.sessionTolerations | join " " | quote }}}
  - {name: CA_FILE, value: /etc/paddock-ca/ca.crt}
  - {name: BLOCKLIST, value: /etc/paddock/blocklist}
  - {name: FLAGS, value: /etc/paddock/flags}
  - {name: HOST_RESOLV_CONF, value: /etc/host-resolv.conf}
securityContext:
  # Writes into directories of root's on the node, which nobody else may read.
  runAsUser: 0
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
volumeMounts:
  - {name: config, mountPath: /etc/paddock, readOnly: true}
  - {name: ca, mountPath: /etc/paddock-ca, readOnly: true}
  - {name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
  - {name: host-resolv-conf, mountPath: /etc/host-resolv.conf, readOnly: true}
  - {name: tmp, mountPath: /tmp}
  - {name: host-directory, mountPath: {{ .Values.nodeAgent.hostDirectory }}}
{{- end }}
