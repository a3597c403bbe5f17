# shellcheck shell=bash
# A node beside the cluster's: an agent in a plain pod, told that another Node object stands for its machine.
# Needs cluster.sh.
# shellcheck disable=SC2154  # variables of run

pretended=
pretended_id=

# pretended_pod NAME COMMAND…: the DaemonSet's agent with directories, network and identity of its own.
pretended_pod() {
  local name=$1 node
  shift
  node=$(k get pod "$(pod_of node-agent)" -o jsonpath='{.spec.nodeName}')
  k get daemonset paddock-node-agent -o json | jq --arg name "$name" --arg node "$node" --arg flags "$(pretended_flags)" '
    .spec.template.spec as $spec | ($spec.containers[] | select(.name == "agent")) as $agent |
    {apiVersion: "v1", kind: "Pod", metadata: {name: $name, labels: {app: "pretended"}},
     spec: ($spec + {initContainers: [], nodeName: $node, restartPolicy: "OnFailure", containers: [
       ($agent | del(.startupProbe, .readinessProbe, .livenessProbe, .ports) | . + {
         command: (["/usr/bin/nodeagent"] + $ARGS.positional),
         args: (["--flagfile=/etc/paddock/flags", "--termination_log=/dev/termination-log"] + ($flags | split(" "))),
         volumeMounts: (.volumeMounts + [{name: "identity", mountPath: "/etc/identity", readOnly: true}])})],
       volumes: ($spec.volumes + [{name: "identity", secret: {secretName: "pretended"}}])})}' \
    --args "$@" | k apply -f - >/dev/null
}

pretended_flags() {
  local directory=$host_directory/pretended
  echo "--state_dir=$directory/state --volumes_dir=$directory/volumes --volumes_file=$directory/volumes.btrfs" \
    "--volumes_bytes=2147483648 --instance=${instance}p --subnet=10.231.192.0/18 --uid_base=2080374784" \
    "--cgroup=paddock/${instance}p --max_sessions=8 --capacity_memory_bytes=268435456 --capacity_cpu_millis=200" \
    "--not_schedulable_file= --name=$pretended --node_id=$pretended_id --node_object=$(pretended_object)" \
    "--listen=\$(HOST_IP):7572 --metrics_listen=\$(HOST_IP):7672 --blocklist=" \
    "--ca=/etc/identity/ca.crt --cert=/etc/identity/tls.crt --key=/etc/identity/tls.key"
}

# As the companions of agents say it.
pretended_object() {
  printf '%s/%s/%s' "$(k exec deployment/paddock-control-plane -c node-list -- sed -n '1s/^listing \([^ ]*\) .*/\1/p' /run/paddock/nodes)" \
    "$pretended" "$(kubectl get node "$pretended" -o jsonpath='{.metadata.uid}')"
}

start_pretended() {
  pretended=pretended-$instance
  pretended_id=node_$(printf '%s' "$pretended" | sha256sum | cut -c1-26)
  kubectl apply -f - >/dev/null <<END
apiVersion: v1
kind: Node
metadata: {name: $pretended}
spec: {unschedulable: true, taints: [{key: paddock-test/pretended, effect: NoExecute}]}
END
  make_identity
  pretended_pod pretended serve
  wait_until 120 "the pretended node" pretended_is NODE_STATE_READY || fail "the pretended node: $(k logs pretended --tail=5)"
}

# A certificate of the node, by the release's authority.
make_identity() {
  local directory=$work/identity file
  mkdir -p "$directory"
  for file in crt key; do
    k get secret paddock-ca -o "jsonpath={.data.tls\\.$file}" | base64 -d >"$directory/ca.$file"
  done
  openssl ecparam -name prime256v1 -genkey -noout -out "$directory/tls.key"
  openssl req -new -key "$directory/tls.key" -subj "/CN=$pretended_id" -out "$directory/request"
  openssl x509 -req -in "$directory/request" -CA "$directory/ca.crt" -CAkey "$directory/ca.key" -set_serial 0x$RANDOM \
    -days 1 -out "$directory/tls.crt" -extfile <(
      echo "extendedKeyUsage=serverAuth,clientAuth"
      echo "subjectAltName=URI:paddock:node/$pretended_id"
    ) 2>/dev/null
  k create secret generic pretended --from-file="$directory/ca.crt" --from-file="$directory/tls.crt" \
    --from-file="$directory/tls.key" >/dev/null
}

# The machine is switched off: agent, gateway and sandboxes are gone at once, the Node object isn't.
end_pretended_machine() {
  k delete pod pretended --force --grace-period=0 >/dev/null 2>&1
  pretended_pod pretended-off cleanup
  k wait --for=jsonpath='{.status.phase}'=Succeeded pod/pretended-off --timeout=90s >/dev/null ||
    fail "the pretended machine isn't off: $(k logs pretended-off --tail=5)"
}

# Whatever is there of it; again and again.
end_pretended() {
  [[ -n $pretended ]] || return 0
  k delete pod pretended --force --grace-period=0 --ignore-not-found >/dev/null 2>&1
  if ! k get pod pretended-off >/dev/null 2>&1; then end_pretended_machine; fi
  k delete pod pretended-off --ignore-not-found >/dev/null
  k delete secret pretended --ignore-not-found >/dev/null
  kubectl delete node "$pretended" --ignore-not-found >/dev/null
  pretended=
}
