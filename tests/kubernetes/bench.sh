# shellcheck shell=bash
# A session's start in the cluster beside that of a plain machine. Needs cluster.sh.
# shellcheck disable=SC2154  # variables of run

# Not among the parts that run by default: `tests/kubernetes/run install bench clean_up`, as root on a node of
# the cluster. From there to the API's Service directly, without port-forward.
part_bench() (
  local address
  export PADDOCK_HOME PADDOCK_IMAGES=${PADDOCK_IMAGES_TO:-$PADDOCK_BUILD/containers}/base
  export PADDOCK_VOLUME_BYTES=${PADDOCK_VOLUME_BYTES:-4294967296}
  # Where PostgreSQL's user may enter.
  PADDOCK_HOME=$(mktemp -d /var/tmp/paddock-plain.XXXXXX)
  unset PADDOCK_DATABASE_URL
  # shellcheck disable=SC2317  # called by the trap
  end_plain() {
    local status=$?
    trap - EXIT
    "$PADDOCK_REPO/deploy/quickstart" purge >>"$work/plain.log" 2>&1 || status=1
    exit "$status"
  }
  trap end_plain EXIT
  "$PADDOCK_REPO/deploy/quickstart" >"$work/plain.log" 2>&1 || fail "quickstart: $(tail -n 5 "$work/plain.log")"
  address=$(k get service paddock-grpc -o jsonpath='{.spec.clusterIP}')
  helm_upgrade --set "certificates.publicNames={IP:$address}"
  wait_until 180 "a certificate with the Service's address" verifies "$address" || fail "no certificate for $address"
  mkdir -p "$work/cluster"
  {
    echo "PADDOCK_ADDR=$address:7443"
    echo "PADDOCK_CA=$work/ca.crt"
    echo "PADDOCK_API_KEY=$key"
  } >"$work/cluster/paddock.env"
  "$PADDOCK_BUILD/tests/bench/kubernetes_bench" "--plain=$PADDOCK_HOME" "--cluster=$work/cluster" \
    "--cycles=${PADDOCK_BENCH_CYCLES:-300}"
)

verifies() {
  openssl s_client -connect "$1:7443" -CAfile "$work/ca.crt" -verify_ip "$1" -verify_return_error </dev/null
}
