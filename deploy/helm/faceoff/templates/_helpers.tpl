{{- define "faceoff.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- /* Of the pods of a component: (list root component). The operator's own pods have part-of and component, too. */}}
{{- define "faceoff.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: faceoff
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "faceoff.labels" -}}
{{- $root := index . 0 -}}
{{ include "faceoff.selector" . }}
app.kubernetes.io/part-of: faceoff
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version }}
{{- end }}

{{- define "faceoff.meta" -}}
name: {{ include "faceoff.fullname" (index . 0) }}-{{ index . 1 }}
labels: {{- include "faceoff.labels" . | nindent 2 }}
{{- end }}

{{- /* files/services.yaml, less what is not made with these values. */}}
{{- define "faceoff.services" -}}
{{- $services := .Files.Get "files/services.yaml" | fromYaml }}
{{- range $name, $facts := $services }}
{{- if and (eq (default "" $facts.needs) "broker") (not (include "faceoff.broker" $)) }}{{ $_ := unset $services $name }}{{ end }}
{{- end }}
{{- toYaml $services }}
{{- end }}

{{- define "faceoff.broker" -}}
{{- if or .Values.nats.enabled .Values.nats.urlSecret }}true{{ end }}
{{- end }}

{{- /* One of our images: (list root image digest). */}}
{{- define "faceoff.image" -}}
{{- $root := index . 0 -}}
{{- with $root.Values.registry }}{{ . }}/{{ end }}faceoff/{{ index . 1 }}
{{- with index . 2 }}@{{ . }}{{ else }}:{{ default $root.Chart.AppVersion $root.Values.tag }}{{ end }}
{{- end }}

{{- define "faceoff.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "faceoff.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- /* What every pod's spec begins with: (list root component priority). */}}
{{- define "faceoff.pod" -}}
{{- $root := index . 0 -}}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets: {{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- with include "faceoff.priority" (list $root (index . 2)) }}
priorityClassName: {{ . }}
{{- end }}
automountServiceAccountToken: {{ eq (index . 1) "operator" }}
enableServiceLinks: false
securityContext: {{- include "faceoff.podSecurity" $root | nindent 2 }}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "faceoff.selector" (list $root (index $ 1)) | nindent 8 }}
  {{- end }}
{{- end }}

{{- define "faceoff.priority" -}}
{{- if (index . 0).Values.priorityClasses.create }}{{ include "faceoff.fullname" (index . 0) }}-{{ index . 1 }}{{ end }}
{{- end }}

{{- /* Where the model server is: host:port. */}}
{{- define "faceoff.modelServer" -}}
{{- if .Values.modelServer.enabled }}{{ include "faceoff.fullname" . }}-model-server:8500
{{- else }}{{ required "modelServer.address is needed where modelServer.enabled is false" .Values.modelServer.address }}{{ end }}
{{- end }}

{{- /* Where KEDA asks. */}}
{{- define "faceoff.prometheus" -}}
{{- required "autoscaling.prometheus is needed where autoscaling.engine is keda" .Values.autoscaling.prometheus }}
{{- end }}

{{- /* Names of the models that are served. */}}
{{- define "faceoff.models" -}}
{{- $names := .Values.models.networks }}
{{- range .Values.models.sets }}{{ $names = append $names (splitList "+" . | sortAlpha | join "+") }}{{ end }}
{{- uniq $names | toJson }}
{{- end }}

{{- define "faceoff.claim" -}}
{{- default (printf "%s-models" (include "faceoff.fullname" .)) .Values.models.existingClaim }}
{{- end }}

{{- /* Whether a service must be one pod: jobs in memory, and the ledger of spending, are one process's. (list root name) */}}
{{- define "faceoff.single" -}}
{{- $root := index . 0 -}}
{{- if eq (index . 1) "gateway" }}{{ if not (include "faceoff.broker" $root) }}true{{ end }}
{{- else if eq (index . 1) "verifier" }}{{ if $root.Values.victims.secret }}true{{ end }}{{ end }}
{{- end }}

{{- /* What scales a service: cpu, hpa, keda or nothing. (list root name settings) */}}
{{- define "faceoff.scaledBy" -}}
{{- $root := index . 0 }}{{ $auto := (index . 2).autoscaling }}
{{- if include "faceoff.single" (list $root (index . 1)) }}
{{- else if eq $auto.by "cpu" }}{{ if $root.Values.autoscaling.cpu }}cpu{{ end }}
{{- else if eq $auto.by "work" }}
{{- with $root.Values.autoscaling.engine }}{{ if ne . "none" }}{{ . }}{{ end }}{{ end }}
{{- end }}
{{- end }}
