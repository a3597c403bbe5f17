# shellcheck shell=bash
# The processes of a quickstart: their flags, start and end. Needs every other file of this directory.
#
# $PADDOCK_HOME/
#   bin/         what runs: copies of the built binaries      images/   base images
#   nodes/<i>/   one agent: agent.flags, state/, volumes/ (mounted from volumes.btrfs)
#   pki/         certificates    secrets/  key, passwords     settings/ remembered choices
#   postgres/    the database    log/  run/                   paddock.env
#   blocklist    the operator's networks and names (may be missing)       resolv.conf

node_directory() { echo "$PADDOCK_HOME/nodes/$1"; }

base_image() { recall base-image || echo "${PADDOCK_IMAGES:-$PADDOCK_HOME/images}/slim.tar"; }

# The base image of PADDOCK_BASE_IMAGE, remembered; `slim` is the one that the quickstart makes. Each
# agent tells the control plane which one it has, so the agents' flag alone decides.
choose_base_image() {
  local archive=${PADDOCK_BASE_IMAGE:-}
  if [[ $archive == slim ]]; then
    rm -f "$PADDOCK_HOME/settings/base-image"
    return 0
  fi
  archive=$(realpath -m "${archive:-$(recall base-image || true)}" 2>/dev/null) || return 0
  [[ -s $archive && -s $archive.sha256 ]] ||
    die "PADDOCK_BASE_IMAGE: there is no base image $archive (with $archive.sha256 beside it):" \
      "deploy/base-image/build full and deploy/base-image/from-oci make them;" \
      "PADDOCK_BASE_IMAGE=slim goes back to the quickstart's own"
  remember base-image "$archive"
}

prepare_home() {
  mkdir -p "$PADDOCK_HOME"
  PADDOCK_HOME=$(cd "$PADDOCK_HOME" && pwd -P)
  mkdir -p "$PADDOCK_HOME"/{bin,images,log,nodes,pki,run,secrets,settings}
  chmod 755 "$PADDOCK_HOME"
  chmod 700 "$PADDOCK_HOME/secrets"
  # Replaced by a file of its own, it names other resolvers for sandboxes than this machine's.
  [[ -e $PADDOCK_HOME/resolv.conf ]] || ln -sfn /etc/resolv.conf "$PADDOCK_HOME/resolv.conf"
}

# leave_node I: before its agent is stopped: moves the sessions that may move, says what becomes of the
# others. It takes no new ones until welcome_node.
leave_node() {
  local i=$1 id moved remaining before
  if ! id=$(node_id "$i") || ! read -r moved remaining before < <(demo drain "$id" 2>/dev/null); then
    warn "node-$i: its sessions could not be counted"
    return 0
  fi
  [[ $before == cordoned ]] || remember "drained-$i" "$id"
  ((moved == 0)) || say "  node-$i: $(count_sessions "$moved") moved to other nodes"
  ((remaining == 0)) ||
    say "  node-$i: $(count_sessions "$remaining") stopped, files kept, until it runs again:" \
      "deploy/quickstart --nodes $i"
}

# welcome_node I: the end of leave_node.
welcome_node() {
  local id
  id=$(recall "drained-$1") || return 0
  if demo uncordon "$id"; then
    rm -f "$PADDOCK_HOME/settings/drained-$1"
  else
    warn "node-$1 takes no new sessions until it is uncordoned: deploy/quickstart tries it again"
  fi
}

count_sessions() { if (($1 == 1)); then echo "1 session"; else echo "$1 sessions"; fi; }

node_id() { "$PADDOCK_HOME/bin/nodeagent" node-id "--state_dir=$(node_directory "$1")/state"; }

# Copies what was built, so that what runs depends on no build tree.
install_binaries() {
  local file
  for file in controlplane/controlplane nodeagent/nodeagent nodeagent/paddock-init deploy/demo/paddock_demo; do
    local target=$PADDOCK_HOME/bin/${file##*/}
    cmp -s "$PADDOCK_BUILD/$file" "$target" && continue
    install -m 555 "$PADDOCK_BUILD/$file" "$target.new"
    mv -f "$target.new" "$target"
  done
}

make_certificates() {
  pki_ca "$PADDOCK_HOME/pki"
  pki_certificate "$PADDOCK_HOME/pki" server
  pki_certificate "$PADDOCK_HOME/pki" control-plane control-plane
  chmod 755 "$PADDOCK_HOME/pki"
}

# The database of PADDOCK_DATABASE_URL (remembered), else the embedded one.
database_up() {
  local file=$PADDOCK_HOME/secrets/database_url
  if [[ -n ${PADDOCK_DATABASE_URL:-} && ${PADDOCK_DATABASE_URL} != "$(embedded_url_if_any)" ]]; then
    printf '%s\n' "$PADDOCK_DATABASE_URL" | write_file "$file" 600
  fi
  [[ ! -s $file ]] || return 0
  if ! recall database-is-made >/dev/null || ! postgres_is_up; then
    step "PostgreSQL" "$PADDOCK_HOME/log/postgres-setup.log" postgres_up
    remember database-is-made yes
  fi
}

embedded_url_if_any() { [[ ! -s $PADDOCK_HOME/secrets/postgres_password ]] || embedded_database_url; }

database_url() {
  cat "$PADDOCK_HOME/secrets/database_url" 2>/dev/null || embedded_database_url
}

control_plane_flags() {
  local pki=$PADDOCK_HOME/pki public http internal metrics
  public=$(port_of api 7443 controlplane)
  http=$(port_of http 7446 controlplane)
  internal=$(port_of internal 7444 controlplane)
  metrics=$(port_of metrics 7445 controlplane)
  cat <<END
--listen=127.0.0.1:$public
--http_listen=127.0.0.1:$http
--internal_listen=127.0.0.1:$internal
--metrics_listen=127.0.0.1:$metrics
--tls_cert=$pki/server.crt
--tls_key=$pki/server.key
--ca=$pki/ca.crt
--cert=$pki/control-plane.crt
--key=$pki/control-plane.key
END
}

control_plane_up() {
  local flags=$PADDOCK_HOME/settings/controlplane.flags binary=$PADDOCK_HOME/bin/controlplane url print
  url=$(database_url)
  control_plane_flags >"$flags.text"
  write_file_if_changed "$flags" 644 <"$flags.text"
  rm -f "$flags.text"
  print=$(fingerprint "$binary" "$flags")-$(sha256sum <<<"$url" | cut -c1-8)
  PADDOCK_DATABASE_URL=$url ensure_process controlplane "$print" 20 "$binary" "--flagfile=$flags"
}

# write_file_if_changed FILE MODE: keeps the time of an unchanged file.
write_file_if_changed() {
  local text
  text=$(cat)
  [[ -f $1 && $(<"$1") == "$text" ]] || printf '%s\n' "$text" | write_file "$1" "$2"
}

demo() {
  PADDOCK_API_KEY=$(cat "$PADDOCK_HOME/secrets/api_key" 2>/dev/null || true) \
    "$PADDOCK_HOME/bin/paddock_demo" "--addr=127.0.0.1:$(recall port-api)" \
    "--ca=$PADDOCK_HOME/pki/ca.crt" "$@"
}

wait_for_control_plane() {
  wait_until 60 "the control plane" demo health && return 0
  tail -n 20 "$PADDOCK_HOME/log/controlplane.log" >&2
  die "the control plane does not serve; its log is $PADDOCK_HOME/log/controlplane.log"
}

# A key that the database doesn't know (another database, a purge) is replaced.
ensure_api_key() {
  local file=$PADDOCK_HOME/secrets/api_key status=0 secret
  if [[ -s $file ]]; then
    demo wait-nodes >/dev/null 2>&1 || status=$?
    ((status == 3)) || return 0
  fi
  secret=$(PADDOCK_DATABASE_URL=$(database_url) "$PADDOCK_HOME/bin/controlplane" create-api-key \
    --organization=default --workspace=default --name=quickstart --admin \
    2>>"$PADDOCK_HOME/log/controlplane.log") || die "no API key; see $PADDOCK_HOME/log/controlplane.log"
  [[ $secret =~ ^[[:graph:]]+$ ]] || die "controlplane create-api-key printed no key"
  printf '%s\n' "$secret" | write_file "$file" 600
}

# Bytes of a node's volume: what it has, else its share of two fifths of the free disk, 40 GiB at most.
volume_bytes() {
  local file=$1 nodes=$2 free bytes
  if [[ -f $file ]]; then
    stat -c %s "$file"
    return 0
  fi
  free=$(df --output=avail -B1 "$PADDOCK_HOME" | tail -n 1)
  bytes=${PADDOCK_VOLUME_BYTES:-$((free * 2 / 5 / nodes))}
  ((bytes <= 40 * 1024 ** 3)) || bytes=$((40 * 1024 ** 3))
  bytes=$((bytes / 1048576 * 1048576))
  ((bytes >= 2 * 1024 ** 3)) ||
    die "$PADDOCK_HOME has too little disk free for another node: each of $nodes gets" \
      "$((bytes / 1048576)) MiB, and needs 2048 ($((free / 1048576)) MiB are free, of which two fifths are" \
      "shared out; PADDOCK_VOLUME_BYTES sets the size of a node's disk)"
  echo "$bytes"
}

# check_disk NODES: ends the quickstart while nothing is begun yet, should their volumes have no room.
check_disk() {
  local i
  for i in $(seq 1 "$1"); do volume_bytes "$PADDOCK_HOME/nodes/$i/volumes.btrfs" "$1" >/dev/null; done
}

# The share of one of several agents on this machine.
node_capacity_flags() {
  local nodes=$1 memory_kib
  ((nodes > 1)) || return 0
  memory_kib=$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)
  echo "--capacity_cpu_millis=$(($(nproc) * 1000 / nodes))"
  echo "--capacity_memory_bytes=$((memory_kib * 1024 / nodes))"
}

node_flags() {
  local i=$1 nodes=$2 directory pki=$PADDOCK_HOME/pki slot port metrics volume subnet
  directory=$(node_directory "$i")
  slot=$(slot_of "$i" "$directory")
  port=$(port_of "node-$i" $((7500 + i)) "node-$i")
  metrics=$(port_of "node-metrics-$i" $((7600 + i)) "node-$i")
  volume=$(volume_bytes "$directory/volumes.btrfs" "$nodes")
  subnet=$(subnet_of "$i" "$slot")
  cat <<END
--name=node-$i
--state_dir=$directory/state
--volumes_dir=$directory/volumes
--volumes_file=$directory/volumes.btrfs
--volumes_bytes=$volume
--listen=127.0.0.1:$port
--address=127.0.0.1:$port
--metrics_listen=127.0.0.1:$metrics
--control_plane=127.0.0.1:$(recall port-internal)
--ca=$pki/ca.crt
--cert=$pki/node-$i.crt
--key=$pki/node-$i.key
--base_image=$(base_image)
--instance=$slot
--subnet=$subnet
--uid_base=$(slot_uid_base "$slot")
--max_sessions=$SLOT_SESSIONS
--cgroup=paddock/$slot
--blocklist=$PADDOCK_HOME/blocklist
--resolv_conf=$PADDOCK_HOME/resolv.conf
END
  node_capacity_flags "$nodes"
}

# node_up I NODES
node_up() {
  local i=$1 directory flags binary=$PADDOCK_HOME/bin/nodeagent id print
  directory=$(node_directory "$i")
  flags=$directory/agent.flags
  mkdir -p "$directory/state" "$directory/volumes"
  id=$(node_id "$i") || die "nodeagent gave no node id"
  pki_certificate "$PADDOCK_HOME/pki" "node-$i" "node/$id"
  node_flags "$i" "$2" >"$flags.text"
  write_file_if_changed "$flags" 644 <"$flags.text"
  rm -f "$flags.text"
  print=$(fingerprint "$binary" "$flags" "$PADDOCK_HOME/bin/paddock-init" "$(base_image)")
  ensure_process "node-$i" "$print" 20 "$binary" "--flagfile=$flags"
}

# wait_for_nodes SINCE_SECONDS NODES: all ready, with a heartbeat after SINCE; an agent that ended is
# an error at once. Says every 15 s what it waits for, such as a large base image to be read in.
wait_for_nodes() {
  local since=$1 names i deadline=$((SECONDS + 600)) told=$SECONDS why
  names=$(seq -f 'node-%g' 1 "$2")
  # shellcheck disable=SC2086  # one word a node
  until why=$(demo wait-nodes --since="$since" --timeout=2s $names 2>&1); do
    for i in $names; do
      process_pid "$i" >/dev/null || node_failed "$i" "ended"
    done
    ((SECONDS < deadline)) || node_failed "${names%%$'\n'*}" "not ready after 600 s: $why"
    if ((SECONDS >= told + 15)); then
      say "  … waiting for the nodes: ${why##*: }"
      told=$SECONDS
    fi
  done
}

node_failed() {
  tail -n 20 "$PADDOCK_HOME/log/$1.log" >&2
  die "$1: $2; its log is $PADDOCK_HOME/log/$1.log"
}

# node_down I: ends the agent, its sessions and its gateway process, and removes what they had in the
# kernel.
node_down() {
  local i=$1 directory
  directory=$(node_directory "$i")
  stop_process "node-$i" 20
  # A slot that is another's now was given up when everything was gone.
  if [[ -f $directory/agent.flags ]] && claim_slot "$i" "$directory"; then
    timeout -k 5 180 "$PADDOCK_HOME/bin/nodeagent" cleanup "--flagfile=$directory/agent.flags" || return
  fi
  release_slot "$i" "$directory"
}

write_environment_file() {
  local nodes=$1 i metrics addresses=
  metrics=127.0.0.1:$(recall port-metrics)
  for i in $(seq 1 "$nodes"); do
    metrics+=,127.0.0.1:$(recall "port-node-metrics-$i")
    addresses+=${addresses:+,}127.0.0.1:$(recall "port-node-$i")
  done
  {
    printf 'PADDOCK_ADDR=127.0.0.1:%s\n' "$(recall port-api)"
    printf 'PADDOCK_CA=%q\n' "$PADDOCK_HOME/pki/ca.crt"
    printf 'PADDOCK_API_KEY=%q\n' "$(<"$PADDOCK_HOME/secrets/api_key")"
    printf 'PADDOCK_HTTP_URL=https://127.0.0.1:%s\n' "$(recall port-http)"
    printf 'PADDOCK_METRICS=%s\n' "$metrics"
    printf 'PADDOCK_DATABASE_URL=%q\n' "$(database_url)"
    printf 'PADDOCK_NODE_ADDRS=%s\n' "$addresses"
  } | write_file "$PADDOCK_HOME/paddock.env" 600
}
