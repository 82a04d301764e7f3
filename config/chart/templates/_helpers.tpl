{{/* fullname begins the name of every object, as the prefix of config/default does. */}}
{{- define "apikey-operator.fullname" -}}
{{- $name := .Values.fullnameOverride -}}
{{- if not $name -}}
{{- $name = contains "apikey-operator" .Release.Name | ternary .Release.Name (printf "%s-apikey-operator" .Release.Name) -}}
{{- end -}}
{{- if gt (len $name) 36 -}}
{{- fail (printf "the name %q is %d characters long and must be at most 36, so that no name of an object is longer than 63: use a shorter name of the release, or set fullnameOverride" $name (len $name)) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{/* labels are those of every object. */}}
{{- define "apikey-operator.labels" -}}
app.kubernetes.io/name: apikey-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* image is by digest where there is one. */}}
{{- define "apikey-operator.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (.tag | default $.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* priorityClassName is that of both programs; empty for the default of the cluster. */}}
{{- define "apikey-operator.priorityClassName" -}}
{{- if .Values.priorityClass.name -}}
{{- .Values.priorityClass.name -}}
{{- else if .Values.priorityClass.create -}}
{{- include "apikey-operator.fullname" . -}}
{{- end -}}
{{- end -}}

{{/* pod has the fields of a pod that both programs have. Its argument has root, program (the values of the program) and component. */}}
{{- define "apikey-operator.pod" -}}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "apikey-operator.priorityClassName" .root }}
priorityClassName: {{ . }}
{{- end }}
enableServiceLinks: false
{{- with .program.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .program.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $zones := .program.spreadZones | default false }}
{{- if or $zones (ne .program.spread "none") }}
topologySpreadConstraints:
  {{- if $zones }}
  - topologyKey: topology.kubernetes.io/zone
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        app.kubernetes.io/name: apikey-operator
        app.kubernetes.io/component: {{ .component }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
  {{- if ne .program.spread "none" }}
  - topologyKey: kubernetes.io/hostname
    maxSkew: 1
    {{- if eq .program.spread "hard" }}
    whenUnsatisfiable: DoNotSchedule
    # A standby of the operator waits for a node that is being drained. A verifier comes up beside another one meanwhile.
    nodeTaintsPolicy: {{ eq .component "manager" | ternary "Ignore" "Honor" }}
    {{- else }}
    whenUnsatisfiable: ScheduleAnyway
    {{- end }}
    labelSelector:
      matchLabels:
        app.kubernetes.io/name: apikey-operator
        app.kubernetes.io/component: {{ .component }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
tolerations:
  - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: {{ .program.nodeLossSeconds }}}
  - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: {{ .program.nodeLossSeconds }}}
  {{- with .program.tolerations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* container has the fields of a container that both programs have. */}}
{{- define "apikey-operator.container" -}}
image: {{ include "apikey-operator.image" .root }}
{{- with .root.Values.image.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
resources:
  {{- toYaml .program.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{/* egress has the rules for DNS and the API server. */}}
{{- define "apikey-operator.egress" -}}
{{- with .Values.networkPolicy.dns }}
- to:
    - namespaceSelector:
        matchLabels:
          {{- toYaml .namespace | nindent 10 }}
      podSelector:
        matchLabels:
          {{- toYaml .pods | nindent 10 }}
    {{- range .cidrs }}
    - ipBlock:
        cidr: {{ . }}
    {{- end }}
  ports:
    - port: {{ .port }}
      protocol: UDP
    - port: {{ .port }}
      protocol: TCP
{{- end }}
{{- with .Values.networkPolicy.apiServer }}
- ports:
    {{- range .ports }}
    - port: {{ . }}
    {{- end }}
  {{- with .cidrs }}
  to:
    {{- range . }}
    - ipBlock:
        cidr: {{ . }}
    {{- end }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* ingressOfMetrics has the rule for Prometheus. */}}
{{- define "apikey-operator.ingressOfMetrics" -}}
- from:
    - namespaceSelector:
        matchLabels:
          {{- toYaml .Values.networkPolicy.metrics | nindent 10 }}
  ports:
    - port: metrics
{{- end -}}

{{/* monitor has the fields of a scrape that a ServiceMonitor and a PodMonitor share. */}}
{{- define "apikey-operator.monitor" -}}
path: /metrics
scheme: https
{{- with .interval }}
interval: {{ . }}
{{- end }}
tlsConfig:
  insecureSkipVerify: true # both programs use self-signed certificates by default
{{- end -}}

{{/* milliseconds of a time such as 3s or 500ms. */}}
{{- define "apikey-operator.milliseconds" -}}
{{- if hasSuffix "ms" . -}}
{{- trimSuffix "ms" . -}}
{{- else -}}
{{- mul (trimSuffix "s" . | int) 1000 -}}
{{- end -}}
{{- end -}}

{{/* lease has the flags for times that are not the operator's own defaults. It refuses times with which no election works, as the operator would. */}}
{{- define "apikey-operator.lease" -}}
{{- $duration := include "apikey-operator.milliseconds" .leaseDuration | int -}}
{{- $deadline := include "apikey-operator.milliseconds" .renewDeadline | int -}}
{{- $period := include "apikey-operator.milliseconds" .retryPeriod | int -}}
{{- if ge $deadline $duration -}}
{{- fail (printf "manager.renewDeadline=%s must be less than manager.leaseDuration=%s: a leader that cannot renew its Lease has to stop before another one starts. Set a shorter renewDeadline, or a longer leaseDuration" .renewDeadline .leaseDuration) -}}
{{- end -}}
{{- if ge (mul $period 6) (mul $deadline 5) -}}
{{- fail (printf "manager.retryPeriod=%s must be less than 5/6 of manager.renewDeadline=%s: a leader has to try at least once more before the deadline. Set a shorter retryPeriod, or a longer renewDeadline" .retryPeriod .renewDeadline) -}}
{{- end -}}
{{- if ne $duration 4000 }}
- --leader-elect-lease-duration={{ .leaseDuration }}
{{- end }}
{{- if ne $deadline 3000 }}
- --leader-elect-renew-deadline={{ .renewDeadline }}
{{- end }}
{{- if ne $period 500 }}
- --leader-elect-retry-period={{ .retryPeriod }}
{{- end }}
{{- end -}}
