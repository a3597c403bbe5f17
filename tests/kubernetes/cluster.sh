# shellcheck shell=bash
# A release of the chart in the cluster of KUBECONFIG, and calls to it. Needs deploy/lib/common.sh.
# shellcheck disable=SC2154  # work, chart, namespace, instance, host_directory, key, grpc_port, rest_port: set by run

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}

k() { kubectl -n "$namespace" "$@"; }

# values_of: small, and apart from any other release on the nodes.
values_of() {
  cat <<END
images: {prefix: "$PADDOCK_IMAGE_PREFIX", tag: "$PADDOCK_IMAGE_TAG"}
controlPlane:
  drainSeconds: 10
  resources: {requests: {cpu: 50m, memory: 64Mi}, limits: {memory: 512Mi}}
database: {trial: {storage: 1Gi, chownVolume: true, resources: {requests: {cpu: 50m, memory: 64Mi}, limits: {memory: 1Gi}}}}
nodeAgent:
  capacity: {cpuMillis: 1000, memoryMiB: $((16 * (SESSIONS + 40))), sessions: $((SESSIONS + 40))}
  volume: {gib: $((2 + (SESSIONS + 40) / 25))}
  hostDirectory: $host_directory
  instance: "$instance"
  subnet: 10.231.128.0/18
  port: 7571
  metricsPort: 7671
  uidBase: 2013265920
  resources: {requests: {cpu: 50m, memory: 64Mi}, limits: {memory: 512Mi}}
sandboxes: {blocklist: [block 198.51.100.0/24]}
END
}

# helm_upgrade [ARGUMENT…]: installs, or upgrades.
helm_upgrade() {
  helm -n "$namespace" upgrade --install paddock "$chart" --values "$work/values.yaml" "$@" >"$work/helm.log" 2>&1 ||
    fail "helm: $(tail -n 5 "$work/helm.log")"
}

rolled_out() { k rollout status "$1" --timeout="${2:-300s}" >/dev/null || fail "$1 isn't rolled out"; }

# The first pod of a component that isn't on its way out.
pod_of() {
  k get pods -l "app.kubernetes.io/component=$1" --field-selector=status.phase=Running -o json |
    jq -r '[.items[] | select(.metadata.deletionTimestamp | not) | .metadata.name][0] // ""'
}

# forward SERVICE PORT LOCAL_PORT: kept open, although it ends with the pod that it leads to.
forward() {
  local log=$work/forward-$1.log
  (
    trap 'kill $child 2>/dev/null; exit 0' TERM
    while true; do
      kubectl -n "$namespace" port-forward "service/$1" "$3:$2" >>"$log" 2>&1 &
      child=$!
      wait "$child" || true
      read -r -t 0.2 <> <(:) || true
    done
  ) &
  forwards+=($!)
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# call METHOD [BODY]: gRPC from outside of the cluster.
call() {
  local body=${2:-}
  [[ -n $body ]] || body='{}'
  grpcurl -max-time 60 -cacert "$work/ca.crt" -H "x-api-key: $key" \
    -H 'anthropic-beta: managed-agents-2026-04-01' -d "$body" "localhost:$grpc_port" "paddock.v1.$1"
}

rest() {
  curl --silent --show-error --fail-with-body --max-time 60 --cacert "$work/ca.crt" -H "x-api-key: $key" \
    -H 'anthropic-beta: managed-agents-2026-04-01' "https://localhost:$rest_port$1" "${@:2}"
}

new_environment() { call EnvironmentService/CreateEnvironment "{\"name\": \"$1\", \"config\": {\"cloud\": ${2:-{\}}}}" | jq -er .id; }

# new_session ENVIRONMENT: its id; it runs.
new_session() {
  local session
  session=$(call SessionService/CreateSession "{\"environment_id\": \"$1\", \"wait\": \"60s\"}")
  [[ $(jq -r .state <<<"$session") == SESSION_STATE_RUNNING ]] || fail "session: $session"
  jq -r .id <<<"$session"
}

# run_in SESSION COMMAND: output; false with its exit code.
run_in() {
  local out
  out=$(call SessionService/Exec "$(jq -nc --arg id "$1" --arg command "$2" '{start: {session_id: $id, command: ["sh", "-c", $command]}}')") || return 125
  jq -rs '[.[] | .stdout // .stderr // empty | @base64d] | add // ""' <<<"$out"
  return "$(jq -rs '[.[] | select(.exited)][0].exited.code // 0' <<<"$out")"
}

session_field() { call SessionService/GetSession "{\"session_id\": \"$1\"}" | jq -r ".$2"; }
