# shellcheck shell=bash
# Shared by the scripts in pods: the Kubernetes API by curl, certificates by openssl (EC P-256).

readonly ACCOUNT=${ACCOUNT:-/var/run/secrets/kubernetes.io/serviceaccount}
# The signer of node agents' requests, and their roles (`URI:paddock:node/<id>`).
export SIGNER=paddock.local/node-agent

log() { printf '%s %s\n' "$(date -u +%FT%TZ)" "$*" >&2; }

# kube METHOD PATH [BODY [CONTENT-TYPE]]: the answer's body; false for an answer that is no success. ACCEPT: its type.
kube() {
  local host=$KUBERNETES_SERVICE_HOST
  local -a body=()
  [[ $host != *:* ]] || host="[$host]"
  if [[ -n ${3:-} ]]; then body=(--data-binary @- -H "content-type: ${4:-application/json}"); fi
  printf '%s' "${3:-}" | curl --silent --show-error --fail-with-body --max-time 20 \
    --cacert "$ACCOUNT/ca.crt" -H "authorization: Bearer $(<"$ACCOUNT/token")" -H "accept: ${ACCEPT:-application/json}" -X "$1" "${body[@]}" \
    "https://$host:$KUBERNETES_SERVICE_PORT$2"
}

# node_id NAME: the same for a node's name, wherever it is asked.
node_id() { printf 'node_%s' "$(printf '%s' "$1" | sha256sum | cut -c1-26)"; }

# cluster_id: the same in all pods of a cluster, another one elsewhere: of the authority of its API server.
cluster_id() { sha256sum "$ACCOUNT/ca.crt" | cut -c1-16; }

new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }

# lives_on CERTIFICATE DAYS: more than a third of its life is left.
lives_on() { openssl x509 -in "$1" -noout -checkend $(($2 * 86400 / 3)) >/dev/null 2>&1; }
