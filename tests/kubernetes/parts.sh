# shellcheck shell=bash
# What must hold on a cluster, one function a part. Needs cluster.sh.
# shellcheck disable=SC2154,SC2034,SC2016  # variables of run; what sandboxes expand

readonly SESSIONS=${PADDOCK_TEST_SESSIONS:-20}

# The README's way: install, wait, key, CA, test.
part_install() {
  local begin
  begin=$(now_ms)
  helm_upgrade --wait=false
  rolled_out deployment/paddock-control-plane
  rolled_out daemonset/paddock-node-agent
  k wait --for=condition=complete job/paddock-api-key --timeout=120s >/dev/null || fail "no first key"
  key=$(k logs job/paddock-api-key | grep '^pk_')
  [[ -n $key ]] || fail "the Job printed no key"
  k get configmap paddock-ca -o jsonpath='{.data.ca\.crt}' >"$work/ca.crt"
  grpc_port=$(free_port)
  rest_port=$(free_port)
  forward paddock-grpc 7443 "$grpc_port"
  forward paddock-rest 443 "$rest_port"
  wait_until 30 "the API over port-forward" call AdminService/ListNodes || fail "no answer by port-forward"
  wait_until 60 "a ready node" node_is NODE_STATE_READY || fail "no node is ready"
  environment=$(new_environment main)
  first=$(new_session "$environment")
  say "   install to first session RUNNING: $(seconds_since "$begin")s"
  helm -n "$namespace" test paddock >"$work/test.log" 2>&1 ||
    fail "helm test: $(tail -n 20 "$work/test.log" && k logs paddock-main-job --tail=20)"
  call AdminService/ListApiKeys | jq -e '[.api_keys[] | select(.name | startswith("helm test"))] |
    length > 0 and all(.revoked_at)' >/dev/null || fail "the key of helm test isn't revoked"
}

node_is() {
  call AdminService/ListNodes | jq -e --arg state "$1" 'any(.nodes[]; .state == $state)' >/dev/null
}

# From outside over both protocols; inside helm test was.
part_reach() {
  local listed id
  [[ $(run_in "$first" 'echo from-outside') == from-outside ]] || fail "exec by port-forward"
  listed=$(rest /v1/environments | jq -r '.data[].id')
  grep -qx "$environment" <<<"$listed" || fail "REST doesn't list the environment"
  id=$(rest /v1/sessions -d "{\"environment_id\": \"$environment\", \"agent\": \"$(new_agent)\"}" | jq -er .id)
  [[ $(run_in "$id" pwd) == /workspace ]] || fail "the session of REST"
  rest "/v1/sessions/$id" -X DELETE >/dev/null
}

new_agent() { call AgentService/CreateAgent '{"name": "kubernetes test", "model": "any"}' | jq -er .id; }

# refused SESSION HOST PORT: neither connects nor waits for a time-out.
refused() {
  local out
  out=$(run_in "$1" "python3 -c 'import socket,sys
try:
    socket.create_connection((\"$2\", $3), 5)
    print(\"connected\")
except Exception as error:
    print(type(error).__name__)'") || fail "python in the sandbox"
  [[ $out != connected ]] || fail "a sandbox reached $2:$3"
  [[ $out != TimeoutError ]] || fail "a sandbox waits for $2:$3"
  printf '   %-24s %s\n' "$2:$3" "$out"
}

part_networking() {
  local limited node pod
  node=$(kubectl get nodes -o jsonpath='{.items[0].status.addresses[?(@.type=="InternalIP")].address}')
  pod=$(k get pod "$(pod_of control-plane)" -o jsonpath='{.status.podIP}')
  limited=$(new_session "$(new_environment limited '{"networking": {"limited": {"allowed_hosts": ["allowed.example"]}}}')")
  for session in "$first" "$limited"; do
    refused "$session" "$(kubectl -n default get service kubernetes -o jsonpath='{.spec.clusterIP}')" 443
    refused "$session" "$node" 10250
    refused "$session" "$node" 7571
    refused "$session" "$pod" 7443
    refused "$session" 169.254.169.254 80
    refused "$session" 198.51.100.7 80
  done
  run_in "$limited" 'getent hosts denied.example' | grep '^198\.18\.0\.1 ' >/dev/null || fail "limited: no sinkhole"
  run_in "$limited" 'getent hosts allowed.example' | grep '^198\.18\.' >/dev/null || fail "limited: no synthetic address"
  run_in "$limited" 'python3 -c "
import urllib.request
try: urllib.request.urlopen(\"http://denied.example/\", timeout=5)
except Exception as e: print(e.code, e.read().decode())"' | grep '^403 paddock: the host' >/dev/null || fail "limited: no explanation"
  call SessionService/DeleteSession "{\"session_id\": \"$limited\"}" >/dev/null
}

image_is_made() { [[ $(call EnvironmentService/GetEnvironment "{\"environment_id\": \"$1\"}" | jq -r .image.state) =~ READY|FAILED ]]; }

# Built on a node, with the registries that the node reaches.
part_packages() {
  local with session
  with=$(new_environment packages '{"packages": {"pip": ["six"]}}')
  wait_until 300 "the image" image_is_made "$with" || fail "no image"
  session=$(new_session "$with")
  [[ $(run_in "$session" 'python3 -c "import six; print(six.__name__)"') == six ]] || fail "no package in the session"
  call SessionService/DeleteSession "{\"session_id\": \"$session\"}" >/dev/null
}

# A session with a process whose life shows: `alive` counts up.
start_counter() {
  run_in "$1" 'nohup sh -c "while :; do echo x >> /workspace/beats; sleep 0.2; done" >/dev/null 2>&1 & echo $! >/workspace/pid' >/dev/null
}

counter_lives() {
  local one two
  one=$(run_in "$1" 'wc -l < /workspace/beats; cat /workspace/pid')
  two=$(run_in "$1" 'sleep 0.7; kill -0 $(cat /workspace/pid) && wc -l < /workspace/beats; cat /workspace/pid')
  [[ ${one#*$'\n'} == "${two#*$'\n'}" ]] && ((${two%%$'\n'*} > ${one%%$'\n'*}))
}

agent_answers() { [[ $(run_in "$first" 'echo here' 2>/dev/null) == here ]]; }

# unscathed GENERATION: the first session is the one that it was.
unscathed() {
  [[ $(session_field "$first" state) == SESSION_STATE_RUNNING ]] || fail "the session is $(session_field "$first" state)"
  [[ $(session_field "$first" generation) == "$1" ]] || fail "the session was placed anew"
  counter_lives "$first" || fail "the session's process was interrupted"
}

# A node that can't run sessions as it is told to says why where kubectl shows it, and touches nothing.
part_refusal() {
  helm_upgrade --set nodeAgent.subnet=10.231.64.0/18
  wait_until 120 "the reason" refusal_says 'subnet 10.231.128.0/18 runs in .*; clean up first' ||
    fail "no reason: $(k get pods -l app.kubernetes.io/component=node-agent -o json | jq -c '.items[].status.containerStatuses')"
  helm -n "$namespace" rollback paddock >/dev/null || fail "helm rollback"
  rolled_out daemonset/paddock-node-agent
  wait_until 90 "the agents" agent_answers || fail "no exec after the rollback"
}

refusal_says() {
  k get pods -l app.kubernetes.io/component=node-agent -o json |
    jq -r '.items[].status.containerStatuses[] | (.state, .lastState) | .terminated.message // empty' | grep "$1" >/dev/null
}

another_agent() {
  local now
  now=$(pod_of node-agent)
  [[ -n $now && $now != "$1" ]]
}

# Sessions that are there before and after; made once.
make_herd() {
  local i
  [[ -z ${herd_made:-} ]] || return 0
  for ((i = 0; i < SESSIONS; i++)); do new_session "$environment" >/dev/null; done
  herd_made=yes
}

herd() {
  call SessionService/ListSessions '{"page_size": 1000}' |
    jq -r '.sessions[] | select(.state == "SESSION_STATE_RUNNING") | "\(.id) \(.generation)"' | sort
}

# The main job again and again from a pod, each run over connections of its own; one failed call ends it.
start_load() {
  k delete pod load --ignore-not-found >/dev/null
  k apply -f - >/dev/null <<END
apiVersion: v1
kind: Pod
metadata: {name: load}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  containers:
    - name: load
      image: $PADDOCK_IMAGE_PREFIX-tools:$PADDOCK_IMAGE_TAG
      imagePullPolicy: IfNotPresent
      env: [{name: PADDOCK_API_KEY, value: "$key"}]
      command:
        - bash
        - -c
        - |
          set -e
          n=0
          while [[ ! -e /tmp/stop ]]; do
            paddock_demo --addr=paddock-grpc:7443 --ca=/ca/ca.crt --state_file=/tmp/environment run >/tmp/out || { cat /tmp/out; exit 1; }
            n=\$((n + 1))
          done
          echo "runs \$n"
      volumeMounts: [{name: ca, mountPath: /ca}]
  volumes: [{name: ca, configMap: {name: paddock-ca}}]
END
  k wait --for=condition=Ready pod/load --timeout=60s >/dev/null || fail "no load"
}

end_load() {
  local runs
  k exec load -- touch /tmp/stop >/dev/null 2>&1 || true
  k wait --for=jsonpath='{.status.phase}'=Succeeded pod/load --timeout=60s >/dev/null ||
    fail "a call failed meanwhile: $(k logs load --tail=20)"
  runs=$(k logs load | sed -n 's/^runs //p')
  ((runs > 0)) || fail "the load did nothing"
  say "   $runs runs of the main job meanwhile, none failed"
  k delete pod load >/dev/null
}

part_control_plane_roll() {
  local before
  make_herd
  before=$(herd)
  start_load
  k rollout restart deployment/paddock-control-plane >/dev/null
  rolled_out deployment/paddock-control-plane
  end_load
  wait_until 30 "the API" call AdminService/ListNodes || fail "no answer"
  [[ $(herd) == "$before" ]] || fail "sessions before: $before; after: $(herd)"
  say "   $(wc -l <<<"$before") sessions as before"
}

part_agent_roll() {
  local before
  make_herd
  before=$(herd)
  start_writers
  wait_until 30 "the load" writers_wrote 2 || fail "the load doesn't get on"
  k rollout restart daemonset/paddock-node-agent >/dev/null
  rolled_out daemonset/paddock-node-agent
  wait_until 90 "the agents" agent_answers || fail "no exec after the roll"
  end_writers
  [[ $(herd) == "$before" ]] || fail "sessions before: $before; after: $(herd)"
  say "   $(wc -l <<<"$before") sessions as before"
  print_memory
}

# What our processes in containers take on the first node, with the sessions that are there.
print_memory() {
  k exec "$(pod_of node-agent)" -c agent -- bash -c '
    for process in /proc/[0-9]*; do
      program=$(readlink $process/exe)
      [[ $program == /usr/bin/controlplane || $program == /usr/bin/nodeagent ]] || continue
      part=$(tr "\0" "\n" <$process/cmdline | sed -n "2{/^--/!p}")
      printf "   %-32s %s kB resident\n" "${program##*/} $part" "$(sed -n "s/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p" $process/status)"
    done'
}

node_refuses() { call AdminService/ListNodes | grep "$1" >/dev/null; }
node_takes() { call AdminService/ListNodes | jq -e 'all(.nodes[]; (.state_reason // "") | test("NODE_(CORDONED|TAINTED)") | not)' >/dev/null; }

part_cordon() {
  local node
  node=$(k get pod "$(pod_of node-agent)" -o jsonpath='{.spec.nodeName}')
  kubectl cordon "$node" >/dev/null
  if ! wait_until 30 "the cordon" node_refuses NODE_CORDONED; then
    kubectl uncordon "$node" >/dev/null
    fail "the node takes sessions in spite of its cordon"
  fi
  kubectl uncordon "$node" >/dev/null
  wait_until 30 "the end of the cordon" node_takes || fail "the node refuses sessions"
  kubectl taint node "$node" paddock-test=yes:NoSchedule >/dev/null
  if ! wait_until 30 "the taint" node_refuses "NODE_TAINTED: paddock-test"; then
    kubectl taint node "$node" paddock-test- >/dev/null
    fail "the node takes sessions in spite of its taint"
  fi
  kubectl taint node "$node" paddock-test- >/dev/null
  wait_until 30 "the end of the taint" node_takes || fail "the node refuses sessions"
  agent_answers || fail "running sessions suffered"
}

# Empty while a forward leads to a pod that is gone.
served_serial() {
  { openssl s_client -connect "localhost:$1" -servername localhost </dev/null | openssl x509 -noout -serial; } 2>/dev/null || true
}

serves_a_certificate() { [[ -n $(served_serial "$1") ]]; }

serial_is_not() { [[ -n $(served_serial "$2") && $(served_serial "$2") != "$1" ]]; }

# A Secret that is gone is made anew; gRPC and REST serve the new certificate without a restart.
part_certificates() {
  local grpc rest_serial restarts pods
  wait_until 20 "gRPC by port-forward" serves_a_certificate "$grpc_port" || fail "no certificate of gRPC"
  wait_until 20 "REST by port-forward" serves_a_certificate "$rest_port" || fail "no certificate of REST"
  grpc=$(served_serial "$grpc_port")
  rest_serial=$(served_serial "$rest_port")
  pods=$(k get pods -l app.kubernetes.io/component=control-plane -o name | sort)
  k delete secret paddock-public paddock-internal >/dev/null
  wait_until 90 "a new certificate of gRPC" serial_is_not "$grpc" "$grpc_port" || fail "gRPC serves the old certificate"
  wait_until 90 "a new certificate of REST" serial_is_not "$rest_serial" "$rest_port" || fail "REST serves the old certificate"
  restarts=$(k get pods -l app.kubernetes.io/component=control-plane -o jsonpath='{.items[*].status.containerStatuses[*].restartCount}')
  [[ ${restarts//[ 0]/} == "" ]] || fail "a replica was restarted: $restarts"
  [[ $(k get pods -l app.kubernetes.io/component=control-plane -o name | sort) == "$pods" ]] || fail "other pods"
  agent_answers || fail "no exec with the new certificates"
}

# Nodes clean, then nothing but the database's volume.
part_clean_up() {
  local left
  helm_upgrade --set nodeAgent.cleanUp=true
  rolled_out daemonset/paddock-node-agent
  helm -n "$namespace" uninstall paddock --wait --timeout=120s >/dev/null || fail "helm uninstall"
  cleaned=yes
  wait_until 60 "the pods' end" no_pods || fail "pods are left: $(k get pods -o name)"
  wait_until 60 "the Secrets' end" nothing_left || {
    left=$(left_over)
    fail "left: $left"
  }
  ! kubectl get clusterroles,clusterrolebindings -o name | grep "$namespace" >/dev/null || fail "cluster roles are left"
}

# The data that a clean-up leaves, on every node.
remove_host_directories() {
  k apply -f - >/dev/null <<END
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: remove}
spec:
  selector: {matchLabels: {app: remove}}
  template:
    metadata: {labels: {app: remove}}
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 0
      tolerations: [{operator: Exists}]
      initContainers:
        - name: remove
          image: $PADDOCK_IMAGE_PREFIX-tools:$PADDOCK_IMAGE_TAG
          imagePullPolicy: IfNotPresent
          command: [rm, -rf, --one-file-system, /host/${host_directory##*/}]
          securityContext: {runAsUser: 0}
          volumeMounts: [{name: host, mountPath: /host}]
      containers:
        - name: done
          image: $PADDOCK_IMAGE_PREFIX-tools:$PADDOCK_IMAGE_TAG
          imagePullPolicy: IfNotPresent
          command: [sleep, infinity]
      volumes: [{name: host, hostPath: {path: ${host_directory%/*}}}]
END
  rolled_out daemonset/remove 120s
}

no_pods() { [[ -z $(k get pods -o name) ]]; }
left_over() {
  k get all,secrets,configmaps,serviceaccounts,roles,rolebindings,networkpolicies,poddisruptionbudgets,pvc -o name |
    grep -vE '^(configmap/kube-root-ca.crt|serviceaccount/default|persistentvolumeclaim/data-paddock-postgresql-0)$' || true
}
nothing_left() { [[ -z $(left_over) ]]; }
